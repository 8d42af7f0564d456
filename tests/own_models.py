"""Keras files as users have them: bases, classifiers, and what is neither."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_training import tiny_spec

from foodbench.records.experiments import ModelSpec

__all__ = ["own_spec", "write_base", "write_classifier", "write_nothing_inside", "write_sequence"]


def own_spec(path: Path | str, **replaced: Any) -> ModelSpec:
    """Return the tiny model, on a file."""
    return tiny_spec(**{"backbone": str(path), "width": None, "weights": "file", "scaling": "zero-to-one"} | replaced)


def write_sequence(path: Path, *make_layers: Callable[[Any], Any], shape: tuple[int | None, ...] = (32, 32, 3)) -> Path:
    """Write a model of layers, each made by a function of ``keras.layers``."""
    from foodbench.keras_door import keras

    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input(shape), *(make(keras.layers) for make in make_layers)])
    model.save(path)
    return path


def write_base(path: Path, *, pooled: bool = True, nested: bool = False) -> Path:
    """Write a base without top of three layers with weights; its last convolution has 6 features.

    Args:
        path: Where to.
        pooled: Whether it ends in average pooling, or in a feature map.
        nested: Whether the layers stand in a model within the model.
    """
    from foodbench.keras_door import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    features = layers.Conv2D(4, 3, strides=4, activation="relu", name="first")(image)
    features = layers.BatchNormalization(name="norm")(features)
    features = layers.Conv2D(6, 3, activation="relu", name="last")(features)
    if nested:
        outer = keras.Input((32, 32, 3))
        inner = keras.Model(image, features, name="inner")
        image, features = outer, layers.ReLU(name="after")(inner(outer))
    keras.Model(image, layers.GlobalAveragePooling2D()(features) if pooled else features).save(path)
    return path


def write_classifier(path: Path, *, classes: int = 11) -> Path:
    """Write a classifier that ends in a softmax, compiled and with the state of its optimiser."""
    from foodbench.keras_door import keras

    keras.utils.set_random_seed(4)
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    model = keras.Model(image, layers.Softmax()(layers.Dense(classes)(pooled)))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(path)
    return path


def write_nothing_inside(path: Path, *names: str) -> Path:
    """Write a zip archive of files with nothing of use in them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return path
