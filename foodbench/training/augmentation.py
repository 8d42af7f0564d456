"""Random changes of training images, from Keras' own layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from foodbench.keras_door import keras
from foodbench.records.experiments import Augmentation

__all__ = ["Augmenter", "build_augmenter"]


@dataclass(frozen=True)
class Augmenter:
    """Changes a batch of scaled images at random, each image on its own."""

    model: Any
    """Keras layers, one after the other, each with a random state that moves on with every batch."""
    seed: int

    def begin(self, *part: int) -> None:
        """Set the random state to that of a part of the work, whatever was drawn before.

        Args:
            part: Numbers of the part, such as its phase and epoch.
        """
        for number, layer in enumerate(self.model.layers):
            state = np.random.SeedSequence([self.seed, number, *part]).generate_state(2)
            layer.generator.state.assign(state)

    def __call__(self, images: Any) -> Any:
        """Return ``images``, (n, size, size, 3), changed."""
        return self.model(images, training=True)


def build_augmenter(augmentation: Augmentation | None, seed: int) -> Augmenter | None:
    """Return what changes training images; None where nothing is to be changed.

    What comes in from outside the image repeats its edge, as in the usual ImageDataGenerator.

    Args:
        augmentation: What to change by how much; what is 0 is left out.
        seed: Equal seeds give equal changes in equal parts of the work.
    """
    if augmentation is None:
        return None
    layers = keras.layers
    shift, zoom = augmentation.shift_fraction, augmentation.zoom_fraction
    shear = math.tan(math.radians(augmentation.shear_degrees))
    edge = {"fill_mode": "nearest"}
    steps: list[Any] = []
    if augmentation.horizontal_flip:
        steps.append(layers.RandomFlip("horizontal"))
    if augmentation.rotation_degrees:
        # Keras counts in full turns.
        steps.append(layers.RandomRotation(augmentation.rotation_degrees / 360, **edge))
    if zoom:
        steps.append(layers.RandomZoom((-zoom, zoom), **edge))
    if shift:
        steps.append(layers.RandomTranslation(shift, shift, **edge))
    if shear:
        steps.append(layers.RandomShear(x_factor=shear, **edge))
    return Augmenter(keras.Sequential(steps, name="augmentation"), seed) if steps else None
