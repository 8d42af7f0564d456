"""What cached augmentation costs: the same head on few augmented versions, taken in turn, and on new ones every epoch."""

from __future__ import annotations

import statistics
from pathlib import Path

from foodbench.data import prepare
from foodbench.isolation import run_isolated
from foodbench.progress import Progress, Silent
from foodbench.records.experiments import Augmentation, DataSpec, ModelSpec
from foodbench.store import Store
from foodbench.training.catalogue import resolve, scaling_of
from foodbench.training.weights import find_weights

from .tables import Table
from .training import CACHED_DRAWS, EPOCHS, TrainingSize, as_folder, difference, spec_of

__all__ = ["compare_draws"]

COUNTS = (1, 2, 4, CACHED_DRAWS, EPOCHS)
"""With as many as there are epochs, each has its own."""


def compare_draws(archive: Path, weights: Path, size: TrainingSize, directory: Path) -> Table:
    """Train heads on the same features, equal seeds with each number of draws, and compare their validation accuracy.

    Args:
        archive: Photographs, as foodbench takes them.
        weights: Folder of Keras' official weights files.
        size: How much. Of the seeds each has orders, initial weights and a choice of draws of its own.
        directory: For the photographs and what the base answers.
    """
    folder = as_folder(archive, size, directory)
    images = sum(1 for _ in (folder / "training").rglob("*.*"))
    spec = spec_of(Augmentation(), 1, size)
    accuracies = run_isolated(
        _accuracies, folder, weights, spec, size.seeds, directory, progress=Silent(), doing="that trains for the bench"
    )
    anew = accuracies[EPOCHS]
    rows = tuple(
        (
            "new in every epoch" if count == EPOCHS else str(count),
            f"{statistics.mean(reached):.4f}",
            "" if count == EPOCHS else difference([one - other for one, other in zip(reached, anew, strict=True)]),
        )
        for count, reached in accuracies.items()
    )
    title = (
        f"Augmented versions taken in turn: head of MobileNetV2 at {size.input_size_px} px, {images} photographs, "
        f"{EPOCHS} epochs, {size.seeds} seeds"
    )
    return Table(title, ("versions", "validation accuracy, mean", "to new ones, points (standard error)"), rows)


def _accuracies(
    folder: Path, weights: Path, spec: ModelSpec, seeds: int, directory: Path, *, progress: Progress
) -> dict[int, list[float]]:
    from foodbench.data.arrays import load_arrays
    from foodbench.keras_door import keras
    from foodbench.training.augmentation import build_augmenter
    from foodbench.training.backbones import build_classifier
    from foodbench.training.batches import scaled_images
    from foodbench.training.frozen import FrozenPart, Inputs
    from foodbench.training.phases import Phase, run_phase

    spec = resolve(spec)
    store = Store(directory / "draws")
    dataset = prepare(DataSpec(label="photographs", path=str(folder)), store, progress)
    training, validation = (
        scaled_images(
            *load_arrays(
                dataset,
                split,
                spec.input_size_px,
                cache=store.arrays_directory(dataset.record.digest),
                progress=progress,
            ),
            scaling_of(spec),
        )
        for split in ("training", "validation")
    )
    classifier = build_classifier(spec, len(dataset.record.classes), find_weights(spec, weights).path)
    augmenter = build_augmenter(spec.recipe.augmentation, spec.recipe.seed)
    features = FrozenPart(classifier.features, "features", directory / "draws", "Features", progress).answers(
        Inputs((training,), validation, augmenter), EPOCHS
    )

    def accuracy(count: int, seed: int) -> float:
        keras.utils.set_random_seed(seed)
        turned = [features.draws[(seed + number) % EPOCHS] for number in range(count)]
        phase = Phase(
            name="head",
            epochs=EPOCHS,
            learning_rate=spec.recipe.head.learning_rate,
            batch_size=spec.recipe.batch_size,
            patience_epochs=EPOCHS,
            seed=(seed,),
        )
        head = keras.models.clone_model(classifier.head)
        result = run_phase(head, phase, turned, features.validation, progress=progress, description="Training")
        return result.kept.validation_accuracy

    return {count: [accuracy(count, seed) for seed in range(1, seeds + 1)] for count in COUNTS}
