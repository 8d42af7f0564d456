"""What the images of a data set are like: sizes, formats, modes, orientations."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from foodbench.imaging import ImageFacts
from foodbench.records.datasets import NARROW_PX, ImageProperties, SideLengths, Tally

__all__ = ["properties_of"]


def properties_of(images: Sequence[ImageFacts]) -> ImageProperties:
    """Return what ``images``, one or more, are like."""
    shorter = [min(image.width_px, image.height_px) for image in images]
    return ImageProperties(
        shorter_side=_lengths(shorter),
        longer_side=_lengths([max(image.width_px, image.height_px) for image in images]),
        narrower=tuple(Tally(value=str(px), images=sum(side < px for side in shorter)) for px in NARROW_PX),
        formats=_tallies(image.format for image in images),
        modes=_tallies(image.mode for image in images),
        turned=_tallies(str(image.orientation) for image in images if image.orientation != 1),
    )


def _lengths(sides_px: Sequence[int]) -> SideLengths:
    return SideLengths(smallest_px=min(sides_px), median_px=statistics.median(sides_px), largest_px=max(sides_px))


def _tallies(values: Iterable[str]) -> tuple[Tally, ...]:
    counts = Counter(values)
    # By name where the counts are equal, so that equal sets give equal records.
    return tuple(Tally(value=value, images=counts[value]) for value in sorted(counts, key=lambda v: (-counts[v], v)))
