"""Random changes of training images: one affine transform of each, made of all steps together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from foodbench.keras_door import keras
from foodbench.records.experiments import Augmentation

__all__ = ["Augmenter", "RandomAffine", "build_augmenter"]


@dataclass(frozen=True)
class Augmenter:
    """Changes a batch of scaled images at random, each image on its own."""

    layer: RandomAffine
    """With a random state that moves on with every batch."""
    seed: int

    def begin(self, *part: int) -> None:
        """Set the random state to that of a part of the work, whatever was drawn before.

        Args:
            part: Numbers of the part, such as its phase and epoch.
        """
        self.layer.generator.state.assign(np.random.SeedSequence([self.seed, *part]).generate_state(2))

    def __call__(self, images: Any) -> Any:
        """Return ``images``, (n, size, size, 3), changed."""
        return self.layer(images)


def build_augmenter(augmentation: Augmentation | None, seed: int) -> Augmenter | None:
    """Return what changes training images; None where nothing is to be changed.

    Args:
        augmentation: What to change by how much; what is 0 is left out.
        seed: Equal seeds give equal changes in equal parts of the work.
    """
    if augmentation is None or not any(augmentation.model_dump().values()):
        return None
    return Augmenter(RandomAffine(augmentation), seed)


class RandomAffine(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Rotates, shears, zooms, shifts and mirrors each image of a batch, sampling it once.

    Keras has a layer for each of these steps. One after the other they interpolate an image four times over, which
    blurs it, and took 4.5 times as long. The steps' ranges and the edge that is repeated outside the image are those
    of these layers with ``fill_mode="nearest"``; each side is zoomed for itself.

    Args:
        augmentation: What to change by how much.
    """

    def __init__(self, augmentation: Augmentation) -> None:
        super().__init__(name="augmentation", trainable=False)
        self._steps = augmentation
        self.generator = keras.random.SeedGenerator(0)

    def call(self, images: Any) -> Any:
        """Return ``images``, (n, height, width, 3), changed."""
        matrices = self._matrices(keras.ops.shape(images)[0], images.shape[1], images.shape[2])
        return keras.ops.image.affine_transform(images, matrices, interpolation="bilinear", fill_mode="nearest")

    def _matrices(self, count: Any, height: int, width: int) -> Any:
        """Return where each pixel of the results comes from, about the centre, as Keras' eight numbers an image."""
        ops, steps = keras.ops, self._steps
        angle = self._between(count, math.radians(steps.rotation_degrees))
        shear = self._between(count, math.tan(math.radians(steps.shear_degrees)))
        zoom_x, zoom_y = (1 + self._between(count, steps.zoom_fraction) for _ in range(2))
        shift_x, shift_y = (side * self._between(count, steps.shift_fraction) for side in (width, height))
        if steps.horizontal_flip:
            zoom_x *= ops.sign(self._between(count, 1.0))
        cosine, sine = ops.cos(angle), ops.sin(angle)
        # Rotation · shear · zoom.
        xx, xy = zoom_x * cosine, zoom_y * (shear * cosine - sine)
        yx, yy = zoom_x * sine, zoom_y * (shear * sine + cosine)
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        from_x = middle_x + shift_x - xx * middle_x - xy * middle_y
        from_y = middle_y + shift_y - yx * middle_x - yy * middle_y
        nothing = ops.zeros_like(xx)
        return ops.stack([xx, xy, from_x, yx, yy, from_y, nothing, nothing], axis=1)

    def _between(self, count: Any, limit: float) -> Any:
        return keras.random.uniform((count,), -limit, limit, seed=self.generator)
