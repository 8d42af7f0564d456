"""Random changes of training images, from Keras' own layers."""

from __future__ import annotations

import math
from typing import Any

from foodbench.keras_door import keras
from foodbench.records.experiments import Augmentation

__all__ = ["build_augmentation"]


def build_augmentation(augmentation: Augmentation | None, seed: int) -> Any | None:
    """Return a Keras model that changes a batch of scaled images at random, each image on its own.

    None where nothing is to be changed.

    What comes in from outside the image repeats its edge, as in the usual ImageDataGenerator.

    Args:
        augmentation: What to change by how much; what is 0 is left out.
        seed: Equal seeds give equal changes, batch after batch.
    """
    if augmentation is None:
        return None
    layers = keras.layers
    shift, zoom = augmentation.shift_fraction, augmentation.zoom_fraction
    shear = math.tan(math.radians(augmentation.shear_degrees))
    edge = {"fill_mode": "nearest"}
    steps: list[Any] = []
    if augmentation.horizontal_flip:
        steps.append(layers.RandomFlip("horizontal", seed=seed))
    if augmentation.rotation_degrees:
        # Keras counts in full turns.
        steps.append(layers.RandomRotation(augmentation.rotation_degrees / 360, seed=seed + 1, **edge))
    if zoom:
        steps.append(layers.RandomZoom((-zoom, zoom), seed=seed + 2, **edge))
    if shift:
        steps.append(layers.RandomTranslation(shift, shift, seed=seed + 3, **edge))
    if shear:
        steps.append(layers.RandomShear(x_factor=shear, seed=seed + 4, **edge))
    return keras.Sequential(steps, name="augmentation") if steps else None
