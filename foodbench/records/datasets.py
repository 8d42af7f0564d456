"""What is known of a verified data set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from foodbench.records.base import Record

__all__ = ["SPLITS", "DatasetRecord", "ExcludedFile", "ExclusionReason", "Split", "SplitCount"]

Split = Literal["training", "validation", "evaluation"]
SPLITS: tuple[Split, ...] = ("training", "validation", "evaluation")

ExclusionReason = Literal["empty", "corrupt", "too-large", "wrong-name", "unknown-class", "duplicate-in-other-split"]


class ExcludedFile(Record):
    """A file that was found but is not used, and why."""

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

    def images(self, split: Split) -> int:
        """Return how many images of ``split`` are used."""
        return sum(count.images for count in self.splits if count.split == split)
