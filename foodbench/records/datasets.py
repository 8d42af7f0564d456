"""What is known of a verified data set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from foodbench.records.base import Record

__all__ = [
    "NARROW_PX",
    "SPLITS",
    "DatasetRecord",
    "ExcludedFile",
    "ExclusionReason",
    "ImageProperties",
    "SideLengths",
    "Split",
    "SplitCount",
    "Tally",
]

Split = Literal["training", "validation", "evaluation"]
SPLITS: tuple[Split, ...] = ("training", "validation", "evaluation")

ExclusionReason = Literal[
    "empty", "corrupt", "too-large", "wrong-name", "unknown-class", "empty-class", "duplicate-in-other-split"
]

NARROW_PX = (96, 224)
"""Input sizes of a small and of a usual model: of an image that is narrower, a model sees enlarged pixels."""


class ExcludedFile(Record):
    """A file, or the folder of a class without files, that was found but is not used, and why."""

    path: str
    """Relative to the data set's root."""
    reason: ExclusionReason
    detail: str = ""


class SplitCount(Record):
    """Images used of one split, in the order of the classes."""

    split: Split
    images_per_class: tuple[int, ...]

    @property
    def images(self) -> int:
        """Images of all classes."""
        return sum(self.images_per_class)


class SideLengths(Record):
    """Of one side over all images."""

    smallest_px: int
    median_px: float
    largest_px: int


class Tally(Record):
    """How many images have a value."""

    value: str
    images: int


class ImageProperties(Record):
    """What the images used are like before they are converted, over all splits."""

    shorter_side: SideLengths
    longer_side: SideLengths
    narrower: tuple[Tally, ...]
    """Images whose shorter side is below each of NARROW_PX."""
    formats: tuple[Tally, ...]
    """JPEG, PNG, ...; here and below the most frequent first."""
    modes: tuple[Tally, ...]
    """Pillow's names: RGB, L, P, CMYK, RGBA, ..."""
    turned: tuple[Tally, ...]
    """EXIF orientations other than 1: photographs that are turned upright before a model sees them."""


class DatasetRecord(Record):
    """A data set after verification."""

    label: str
    """Shown wherever a number measured on this set is shown."""
    synthetic: bool
    classes: tuple[str, ...]
    digest: str
    """Over the split, class and content of every image used."""
    splits: tuple[SplitCount, ...]
    converted_to_rgb: int = Field(default=0, ge=0)
    """Images used whose own mode is not RGB (greyscale, palette, CMYK, alpha)."""
    excluded: tuple[ExcludedFile, ...] = ()
    properties: ImageProperties | None = None
    """None in a record from before they were looked at."""

    def images(self, split: Split) -> int:
        """Return how many images of ``split`` are used."""
        return sum(count.images for count in self.splits if count.split == split)
