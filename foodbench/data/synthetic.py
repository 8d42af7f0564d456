"""Draws a data set for machines that have none: eleven classes of dishes, in Food-11's layout.

A class is a shape, a texture and a palette. In each image any of the three may be borrowed from another
class, and classes share shapes and textures, so that no single cue tells all of them
apart and no model gets all right.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foodbench.data.cues import PALETTES, SHAPES, TEXTURES, Field, coordinates
from foodbench.data.parallel import each
from foodbench.progress import Progress
from foodbench.records.datasets import SPLITS, Split
from foodbench.records.experiments import SyntheticData

__all__ = ["DRAWING_VERSION", "draw"]

DRAWING_VERSION = 2
"""Raised when the same values draw other images."""


@dataclass(frozen=True)
class _Dish:
    shape: str
    texture: str
    palette: str


DISHES = (
    _Dish("loaf", "stripes", "crust"),
    _Dish("wedge", "smooth", "cream"),
    _Dish("wedge", "stripes", "berry"),
    _Dish("disc", "core", "yolk"),
    _Dish("pieces", "grit", "golden"),
    _Dish("loaf", "marble", "red"),
    _Dish("strands", "smooth", "straw"),
    _Dish("grains", "grit", "white"),
    _Dish("crescents", "checks", "salmon"),
    _Dish("disc", "dots", "tomato"),
    _Dish("pieces", "dots", "green"),
)
"""By class id, in the order of Food-11's classes."""

BORROWED_SHAPE, BORROWED_TEXTURE, BORROWED_PALETTE = 0.15, 0.2, 0.15
"""How often each cue is drawn from all classes instead of being the own one.

Summed over all combinations, whoever reads the three cues without error is right in 94 % of the images, whoever reads
the palette alone in 86 %, the shape or the texture alone in 55 and 53 %.
"""

COLOUR_SPREAD = 12.0
"""Standard deviation of a dish's own colour from its palette, per channel, of 255."""

LIGHT_SPREAD = 0.08
"""Of the light's strength and, by a third of it, of its colour."""

JPEG_QUALITY = 90


@dataclass(frozen=True)
class _Task:
    split: Split
    class_id: int
    number: int


def draw(spec: SyntheticData, directory: Path, progress: Progress) -> None:
    """Draw the set into ``directory``, as ``<split>/<class id>_<n>.jpg``.

    Equal values draw files equal to the last byte, given the same numpy and Pillow. More images of a class leave
    those before as they were.

    Args:
        spec: Seed, size and numbers.
        directory: An existing folder.
        progress: Told how far it is.

    Raises:
        OSError: The disk is full or cannot be written.
    """
    numbers = {
        "training": spec.training_images_per_class,
        "validation": spec.validation_images_per_class,
        "evaluation": spec.evaluation_images_per_class,
    }
    tasks = []
    for split in SPLITS:
        (directory / split).mkdir()
        tasks += [_Task(split, class_id, n) for class_id in range(len(DISHES)) for n in range(numbers[split])]
    for _ in each(functools.partial(_draw_one, spec, directory), tasks, progress, "drawing synthetic images"):
        pass


def _draw_one(spec: SyntheticData, directory: Path, task: _Task) -> None:
    # Seeded for itself: an image does not depend on which thread draws it, nor on how many there are.
    rng = np.random.default_rng((spec.seed % 2**64, SPLITS.index(task.split), task.class_id, task.number))
    path = directory / task.split / f"{task.class_id}_{task.number}.jpg"
    _photograph(rng, task.class_id, spec.image_size_px).save(path, format="JPEG", quality=JPEG_QUALITY)


def _photograph(rng: np.random.Generator, class_id: int, size_px: int) -> Image.Image:
    picture = _table(rng, size_px)
    dish = _served(rng, class_id)
    mask = SHAPES[dish.shape](rng, size_px)
    mix = (TEXTURES[dish.texture](rng, size_px) + np.float32(1)) / np.float32(2)
    first, second = (_colour(rng, colour) for colour in PALETTES[dish.palette])
    food = first + mix[..., None] * (second - first)
    picture += mask[..., None] * (food - picture)
    picture *= _light(rng, size_px)
    picture += rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(1, 6))
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _served(rng: np.random.Generator, class_id: int) -> _Dish:
    own = DISHES[class_id]
    lenders = [DISHES[int(other)] for other in rng.integers(0, len(DISHES), 3)]
    borrowed = rng.random(3) < (BORROWED_SHAPE, BORROWED_TEXTURE, BORROWED_PALETTE)
    return _Dish(
        shape=lenders[0].shape if borrowed[0] else own.shape,
        texture=lenders[1].texture if borrowed[1] else own.texture,
        palette=lenders[2].palette if borrowed[2] else own.palette,
    )


def _colour(rng: np.random.Generator, colour: tuple[int, int, int]) -> NDArray[np.float32]:
    return (np.array(colour) + rng.normal(0, COLOUR_SPREAD, 3)).astype(np.float32)


def _table(rng: np.random.Generator, size_px: int) -> NDArray[np.float32]:
    """A table of any colour, on which most dishes stand on a plate; neither tells the class."""
    table = np.array(rng.uniform(60, 150) + rng.normal(0, 8, 3), np.float32)
    picture: NDArray[np.float32] = np.broadcast_to(table, (size_px, size_px, 3)).copy()
    if rng.random() < 0.7:
        x, y = coordinates(size_px)
        middle = rng.normal(0.5, 0.04, 2).astype(np.float32)
        distance: Field = np.hypot(x - middle[0], y - middle[1])
        radius = np.float32(rng.uniform(0.4, 0.52))
        inside = np.clip((radius - distance) * np.float32(size_px), 0, 1)
        rim = np.clip(np.float32(1) - np.abs(distance - radius * np.float32(0.8)) * np.float32(30), 0, 1)
        plate = np.array(rng.uniform(185, 235) + rng.normal(0, 4, 3), np.float32)
        shade = plate * (np.float32(1) - np.float32(0.15) * rim[..., None])
        picture += inside[..., None] * (shade - picture)
    return picture


def _light(rng: np.random.Generator, size_px: int) -> Any:
    x, y = coordinates(size_px)
    angle, slope = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.3)
    falloff = (x - np.float32(0.5)) * np.float32(slope * math.cos(angle)) + (y - np.float32(0.5)) * np.float32(
        slope * math.sin(angle)
    )
    colour = rng.normal(1, LIGHT_SPREAD) + rng.normal(0, LIGHT_SPREAD / 3, 3)
    return (np.float32(1) + falloff)[..., None] * colour.astype(np.float32)
