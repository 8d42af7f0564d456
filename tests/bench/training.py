"""Against the usual notebook: the head phase of the same model on the same photographs, as many epochs."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foodbench.analysis.rules.evidence import counted
from foodbench.data import prepare
from foodbench.isolation import run_isolated
from foodbench.progress import Progress, Silent
from foodbench.records.datasets import SPLITS
from foodbench.records.experiments import Augmentation, DataSpec, FineTuning, HeadTraining, ModelSpec, Recipe
from foodbench.store import Store
from foodbench.training import train
from foodbench.training.catalogue import find_backbone, weights_file_names

from .tables import Goal, Table, in_points

__all__ = ["CACHED_DRAWS", "EPOCHS", "TrainingSize", "as_folder", "compare_training", "spec_of"]

EPOCHS = 20

CACHED_DRAWS = 8


@dataclass(frozen=True)
class TrainingSize:
    """How much is trained."""

    images_per_class: int
    """Of the training split at most; of the others half of it."""
    input_size_px: int
    seeds: int
    """With augmentation, where chance decides part of the accuracy; without it one pair tells the speed."""


@dataclass(frozen=True)
class _Trained:
    duration_s: float
    accuracy: float
    """Of the validation split, at the epoch of the lowest validation loss."""


def compare_training(archive: Path, weights: Path, size: TrainingSize, directory: Path) -> Iterator[Table]:
    """Train without augmentation and with it, by the notebook and by foodbench in turn, each in a fresh process.

    Args:
        archive: Photographs, as foodbench takes them.
        weights: Folder of Keras' official weights files.
        size: How much.
        directory: For the photographs as a folder, which is what the notebook takes.
    """
    folder = as_folder(archive, size, directory)
    images = sum(1 for _ in (folder / "training").rglob("*.*"))
    for augmentation in (None, Augmentation()):
        pairs = []
        for seed in range(1, 2 if augmentation is None else size.seeds + 1):
            spec = spec_of(augmentation, seed, size)
            pairs.append((_notebook(folder, weights, spec), _foodbench(folder, weights, spec, directory)))
        yield _table(pairs, images, augmentation, size)


def spec_of(augmentation: Augmentation | None, seed: int, size: TrainingSize) -> ModelSpec:
    """Return the model that both sides train: its head alone, every epoch of it."""
    recipe = Recipe(
        seed=seed,
        augmentation=augmentation,
        augmentation_draws=None if augmentation is None else CACHED_DRAWS,
        head=HeadTraining(epochs=EPOCHS),
        fine_tuning=FineTuning(epochs=0),
        early_stopping_patience_epochs=EPOCHS,
    )
    return ModelSpec(name="bench", backbone="MobileNetV2", width=1.0, input_size_px=size.input_size_px, recipe=recipe)


def as_folder(archive: Path, size: TrainingSize, directory: Path) -> Path:
    """Copy the images that foodbench would use, up to ``size``, into class folders."""
    dataset = prepare(DataSpec(label="photographs", path=str(archive)), Store(directory / "prepared"), Silent())
    folder = directory / "photographs"
    shutil.rmtree(folder, ignore_errors=True)
    for split in SPLITS:
        most = size.images_per_class if split == "training" else size.images_per_class // 2
        for class_id, name in enumerate(dataset.record.classes):
            into = folder / split / name.replace("/", "-")
            into.mkdir(parents=True)
            for file in [file for file in dataset.files[split] if file.class_id == class_id][:most]:
                shutil.copy(file.path, into)
    return folder


def _notebook(folder: Path, weights: Path, spec: ModelSpec) -> _Trained:
    file = weights / weights_file_names(find_backbone(spec.backbone), spec.width, spec.input_size_px)[-1]
    arguments = [sys.executable, "-m", "tests.bench.notebook", str(folder), str(file), spec.model_dump_json()]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    # Keras prints how many images it found, before.
    return _Trained(**json.loads(done.stdout.splitlines()[-1]))


def _foodbench(folder: Path, weights: Path, spec: ModelSpec, directory: Path) -> _Trained:
    # A store of its own: nothing is decoded or computed before.
    with tempfile.TemporaryDirectory(dir=directory) as store:
        return run_isolated(
            _train, folder, weights, spec, Path(store), progress=Silent(), doing="that trains for the bench"
        )


def _train(folder: Path, weights: Path, spec: ModelSpec, root: Path, *, progress: Progress) -> _Trained:
    store = Store(root)
    dataset = prepare(DataSpec(label="photographs", path=str(folder)), store, progress)
    artifact = train(spec, dataset, store, weights_directory=weights, progress=progress)
    assert artifact.validation_accuracy_head is not None
    return _Trained(artifact.training_duration_s, artifact.validation_accuracy_head)


def _table(
    pairs: list[tuple[_Trained, _Trained]], images: int, augmentation: Augmentation | None, size: TrainingSize
) -> Table:
    draws = "without augmentation" if augmentation is None else f"with augmentation, {CACHED_DRAWS} cached draws"
    rates = [[EPOCHS * images / one.duration_s for one in side] for side in zip(*pairs, strict=True)]
    ratio = statistics.median(ours / usual for usual, ours in zip(*rates, strict=True))
    accuracies = [statistics.mean(one.accuracy for one in side) for side in zip(*pairs, strict=True)]
    # Without augmentation both train on the same; with it cached draws could be worse than new ones in every epoch.
    as_accurate = Goal() if augmentation is None else Goal(least=accuracies[0])
    rows = (
        ("usual notebook, images/s", f"{statistics.median(rates[0]):.0f}"),
        ("foodbench, images/s", f"{statistics.median(rates[1]):.0f}"),
        ("ratio, median of pairs", Goal(least=5, unit="x").verdict(ratio)),
        ("usual notebook, validation accuracy, mean", f"{accuracies[0]:.4f}"),
        ("foodbench, validation accuracy, mean", as_accurate.verdict(accuracies[1])),
        (
            "difference, points (standard error)",
            in_points([ours.accuracy - usual.accuracy for usual, ours in pairs]),
        ),
    )
    title = (
        f"Head phase of MobileNetV2 at {size.input_size_px} px, {draws}: "
        f"{images} photographs, {EPOCHS} epochs, {counted(len(pairs), 'seed')}"
    )
    return Table(title, ("", "measured"), rows)
