"""A data set that was verified, and where its images are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from foodbench.records.datasets import DatasetRecord, Split

__all__ = ["FOOD11_CLASSES", "Dataset", "LabelledFile"]

FOOD11_CLASSES = (
    "Bread",
    "Dairy product",
    "Dessert",
    "Egg",
    "Fried food",
    "Meat",
    "Noodles/Pasta",
    "Rice",
    "Seafood",
    "Soup",
    "Vegetable/Fruit",
)
"""Food-11's classes, in the order of their ids (https://www.epfl.ch/labs/mmspg/downloads/food-image-datasets/)."""


@dataclass(frozen=True)
class LabelledFile:
    """An image that can be used, and the class it shows."""

    path: Path
    class_id: int
    """Its place in the data set's classes."""


@dataclass(frozen=True)
class Dataset:
    """A verified data set on disk."""

    record: DatasetRecord
    root: Path
    """The folder that holds the splits' folders."""
    files: Mapping[Split, tuple[LabelledFile, ...]]
    """The images used of each split, by class and then by name."""

    def reduced(self, images_per_class: int) -> Dataset:
        """Return the same data set with no more than this many images of each class in each split, the first ones."""
        return replace(self, files={split: _first(files, images_per_class) for split, files in self.files.items()})


def _first(files: tuple[LabelledFile, ...], per_class: int) -> tuple[LabelledFile, ...]:
    of_class = itertools.groupby(files, key=lambda file: file.class_id)
    return tuple(file for _, group in of_class for file in itertools.islice(group, per_class))
