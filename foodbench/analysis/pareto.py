"""The variants that no other beats in everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["Better", "dominates", "front"]

Better = Literal["higher", "lower"]


def dominates(one: Sequence[float], other: Sequence[float], better: Sequence[Better]) -> bool:
    """Return whether ``one`` is nowhere worse than ``other`` and somewhere better.

    Args:
        one: Its figures.
        other: The other's figures, in the same order.
        better: For each figure, which direction is better.
    """
    signs = [1.0 if direction == "higher" else -1.0 for direction in better]
    gains = [sign * (mine - its) for sign, mine, its in zip(signs, one, other, strict=True)]
    return min(gains) >= 0 and max(gains) > 0


def front(points: Sequence[Sequence[float]], better: Sequence[Better]) -> tuple[int, ...]:
    """Return the indices of the points that no other dominates, in their order.

    Equal points are all on the front, or none is.
    """
    return tuple(
        index for index, point in enumerate(points) if not any(dominates(other, point, better) for other in points)
    )
