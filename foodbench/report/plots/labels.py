"""Names beside points, without overlap.

Each name tries places around its point, near ones first, and takes the one that covers least of what is
there already: names, points, bars. A name that ends far from its point is tied to it by a thin line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

__all__ = ["Box", "Label", "place_labels", "place_of"]

FONT_SIZE = 8.0
DISTANCES_PT = (8.0, 14.0, 22.0, 32.0, 44.0, 58.0, 74.0, 92.0, 112.0, 136.0, 164.0)
DIRECTIONS = 16
TIED_FROM_PT = 16.0
MARKER_PT = 5.0

LINE_STEPS = 16


@dataclass(frozen=True)
class Box:
    """A rectangle on the picture, in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def outside(self, other: Box) -> float:
        """Return the area of this one that lies outside the other."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(other)

    def nearest(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return the place of this rectangle that is nearest to ``point``."""
        return min(max(point[0], self.left), self.right), min(max(point[1], self.bottom), self.top)

    def holds(self, point: tuple[float, float]) -> bool:
        """Return whether ``point`` lies within."""
        return self.left <= point[0] <= self.right and self.bottom <= point[1] <= self.top

    def crossed(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Return whether a line that begins outside passes through."""
        if self.holds(start):
            return False
        steps = (step / LINE_STEPS for step in range(1, LINE_STEPS))
        return any(
            self.holds((start[0] + step * (end[0] - start[0]), start[1] + step * (end[1] - start[1]))) for step in steps
        )


@dataclass(frozen=True)
class Label:
    """A name and its point, in data coordinates."""

    text: str
    x: float
    y: float
    colour: str


def place_labels(figure: Figure, axes: Axes, labels: Sequence[Label], obstacles: Sequence[Box] = ()) -> None:
    """Write ``labels`` beside their points.

    Args:
        figure: Its layout must be settled.
        axes: Where the points are.
        labels: Names and points.
        obstacles: What else must not be covered, in pixels.
    """
    pixels_per_point = figure.dpi / 72
    points = [axes.transData.transform((label.x, label.y)) for label in labels]
    half = MARKER_PT * pixels_per_point
    markers = [Box(x - half, y - half, x + half, y + half) for x, y in points]
    taken = [*markers, *obstacles]
    around = axes.get_window_extent()
    bounds = Box(around.x0, around.y0, around.x1, around.y1)
    # From the top down, so that equal points fan out in reading order.
    for index in sorted(range(len(labels)), key=lambda index: (-points[index][1], points[index][0], index)):
        label, (x, y) = labels[index], points[index]
        annotation = axes.annotate(
            label.text,
            (label.x, label.y),
            (0, 0),
            textcoords="offset points",
            fontsize=FONT_SIZE,
            color=label.colour,
            horizontalalignment="center",
            verticalalignment="center",
            linespacing=1.05,
        )
        annotation.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        size = annotation.get_window_extent()
        wanted = (size.width + 4, size.height + 2)
        box = place_of((x, y), wanted, taken, bounds, markers=markers, pixels_per_point=pixels_per_point)
        taken.append(box)
        middle = ((box.left + box.right) / 2 - x, (box.bottom + box.top) / 2 - y)
        annotation.set_position((middle[0] / pixels_per_point, middle[1] / pixels_per_point))
        _tie(axes, label, (x, y), box, pixels_per_point)


def place_of(
    point: tuple[float, float],
    size: tuple[float, float],
    taken: Sequence[Box],
    bounds: Box,
    *,
    markers: Sequence[Box] = (),
    pixels_per_point: float = 1.0,
) -> Box:
    """Return the place for a name near its point: free if possible, then with a clear line to it, then near.

    Args:
        point: In pixels.
        size: Width and height of the name in pixels.
        taken: What should not be covered.
        bounds: What the name should stay in.
        markers: Points that the line between name and point should not run through: it would seem to be theirs.
        pixels_per_point: Of the picture; distances are tried in points.
    """

    def badness(box: Box) -> tuple[float, int]:
        covered = sum(box.overlap(other) for other in taken) + 4 * box.outside(bounds)
        return round(covered, 3), sum(marker.crossed(point, box.nearest(point)) for marker in markers)

    places = [box for distance in DISTANCES_PT for box in _around(point, size, distance * pixels_per_point)]
    # The first of equally good ones is the nearest.
    return min(places, key=badness)


def _around(point: tuple[float, float], size: tuple[float, float], distance: float) -> list[Box]:
    (x, y), (width, height) = point, size
    boxes = []
    # To the right, then left, above, below, and what lies between.
    order = sorted(range(DIRECTIONS), key=lambda step: (step % (DIRECTIONS // 2) != 0, step % (DIRECTIONS // 4) != 0))
    for step in order:
        angle = 2 * math.pi * step / DIRECTIONS
        cosine, sine = math.cos(angle), math.sin(angle)
        centre_x = x + cosine * (distance + width / 2)
        centre_y = y + sine * (distance + height / 2)
        boxes.append(Box(centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2))
    return boxes


def _tie(axes: Axes, label: Label, point: tuple[float, float], box: Box, pixels_per_point: float) -> None:
    nearest_x, nearest_y = box.nearest(point)
    if math.hypot(nearest_x - point[0], nearest_y - point[1]) < TIED_FROM_PT * pixels_per_point:
        return
    offset = ((nearest_x - point[0]) / pixels_per_point, (nearest_y - point[1]) / pixels_per_point)
    axes.annotate(
        "",
        (label.x, label.y),
        offset,
        textcoords="offset points",
        arrowprops={
            "arrowstyle": "-",
            "color": label.colour,
            "linewidth": 0.6,
            "alpha": 0.6,
            "shrinkA": 0,
            "shrinkB": 4,
        },
    )
