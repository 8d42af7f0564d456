"""The smallest model and data set that go through training and packaging for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from foodbench.data import Dataset, prepare
from foodbench.progress import Silent
from foodbench.records.experiments import DataSpec, FineTuning, HeadTraining, ModelSpec, Recipe, SyntheticData
from foodbench.store import Store

__all__ = ["Heard", "draw_dataset", "let_signals_through", "tiny_recipe", "tiny_spec", "write_base_weights"]


class Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float, float]] = []
        self.lines: list[str] = []

    def step(self, description: str, done: float, total: float) -> None:
        self.steps.append((description, done, total))

    def say(self, line: str) -> None:
        self.lines.append(line)


def draw_dataset(store: Store, *, seed: int = 7) -> Dataset:
    """Draw 4 + 2 + 2 images of each of the eleven classes."""
    synthetic = SyntheticData(
        seed=seed,
        image_size_px=32,
        training_images_per_class=4,
        validation_images_per_class=2,
        evaluation_images_per_class=2,
    )
    return prepare(DataSpec(label="synthetic images", synthetic=synthetic), store, Silent())


def tiny_recipe(**replaced: Any) -> Recipe:
    """Return a recipe of one epoch in the first phase and none in the second."""
    values = {
        "batch_size": 16,
        "augmentation": None,
        "head": HeadTraining(epochs=1),
        "fine_tuning": FineTuning(epochs=0),
    }
    return Recipe(**{**values, **replaced})


def tiny_spec(**replaced: Any) -> ModelSpec:
    """Return a model that trains in seconds."""
    values = {
        "name": "tiny",
        "backbone": "MobileNetV2",
        "width": 0.35,
        "input_size_px": 32,
        "weights": "none",
        "recipe": tiny_recipe(),
    }
    return ModelSpec(**{**values, **replaced})


def write_base_weights(path: Path) -> None:
    """Write weights for the tiny model's base."""
    from foodbench.keras_door import keras
    from foodbench.training.backbones import build_base
    from foodbench.training.catalogue import resolve

    keras.utils.set_random_seed(1)
    base = build_base(resolve(tiny_spec()))
    let_signals_through(base)
    base.save_weights(path)


def let_signals_through(base: Any) -> None:
    """Give a base of random weights, 32 px, BatchNorm statistics that fit them; else it answers zeros to all."""
    images = np.random.default_rng(1).uniform(-1, 1, (32, 32, 32, 3)).astype(np.float32)
    for layer in base.layers:
        layer.momentum = 0.5
    for _ in range(8):
        base(images, training=True)
