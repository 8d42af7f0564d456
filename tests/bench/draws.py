"""What cached augmentation costs: the same head on few augmented versions, taken in turn, and on new ones every epoch."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from foodbench.analysis.rules.evidence import counted
from foodbench.data import prepare
from foodbench.isolation import run_isolated
from foodbench.progress import Progress, Silent
from foodbench.records.experiments import Augmentation, DataSpec, ModelSpec
from foodbench.store import Store
from foodbench.training.catalogue import resolve
from foodbench.training.stage import scaled_splits
from foodbench.training.weights import find_weights

from .tables import Table, in_points
from .training import CACHED_DRAWS, EPOCHS, TrainingSize, as_folder, spec_of

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
    # Answers of the base are taken as they lie: those of other photographs must not be there.
    with tempfile.TemporaryDirectory(dir=directory) as fresh:
        accuracies = run_isolated(
            _accuracies,
            folder,
            weights,
            spec,
            size.seeds,
            Path(fresh),
            progress=Silent(),
            doing="that trains for the bench",
        )
    anew = accuracies[EPOCHS]
    rows = tuple(
        (
            "new in every epoch" if count == EPOCHS else str(count),
            f"{statistics.mean(reached):.4f}",
            "" if count == EPOCHS else in_points([one - other for one, other in zip(reached, anew, strict=True)]),
        )
        for count, reached in accuracies.items()
    )
    title = (
        f"Augmented versions taken in turn: head of MobileNetV2 at {size.input_size_px} px, {images} photographs, "
        f"{EPOCHS} epochs, {counted(size.seeds, 'seed')}"
    )
    return Table(title, ("versions", "validation accuracy, mean", "to new ones, points (standard error)"), rows)


def _accuracies(
    folder: Path, weights: Path, spec: ModelSpec, seeds: int, directory: Path, *, progress: Progress
) -> dict[int, list[float]]:
    from foodbench.keras_door import keras
    from foodbench.training.augmentation import build_augmenter
    from foodbench.training.backbones import build_classifier
    from foodbench.training.frozen import FrozenPart, Inputs
    from foodbench.training.phases import run_phase
    from foodbench.training.recipe import head_phase

    spec = resolve(spec)
    store = Store(directory)
    dataset = prepare(DataSpec(label="photographs", path=str(folder)), store, progress)
    images = scaled_splits(spec, dataset, store, progress)
    classifier = build_classifier(spec, len(dataset.record.classes), find_weights(spec, weights).path)
    plain = Inputs(
        (images("training"),), images("validation"), build_augmenter(spec.recipe.augmentation, spec.recipe.seed)
    )
    features = FrozenPart(classifier.features, "features", directory, "Features", progress).answers(plain, EPOCHS)

    def accuracy(count: int, seed: int) -> float:
        keras.utils.set_random_seed(seed)
        draws = [features.draws[(seed + number) % EPOCHS] for number in range(count)]
        head = keras.models.clone_model(classifier.head)
        phase = replace(head_phase(spec.recipe), seed=(seed,))
        result = run_phase(head, phase, draws, features.validation, progress=progress, description="Training")
        return result.kept.validation_accuracy

    return {count: [accuracy(count, seed) for seed in range(1, seeds + 1)] for count in COUNTS}
