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
    taken = [Box(x - half, y - half, x + half, y + half) for x, y in points] + list(obstacles)
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
        box = place_of((x, y), (size.width + 4, size.height + 2), taken, bounds, pixels_per_point)
        taken.append(box)
        middle = ((box.left + box.right) / 2 - x, (box.bottom + box.top) / 2 - y)
        annotation.set_position((middle[0] / pixels_per_point, middle[1] / pixels_per_point))
        _tie(axes, label, (x, y), box, pixels_per_point)


def place_of(
    point: tuple[float, float],
    size: tuple[float, float],
    taken: Sequence[Box],
    bounds: Box,
    pixels_per_point: float = 1.0,
) -> Box:
    """Return the place for a name of ``size`` near ``point`` that covers least of ``taken`` and stays in ``bounds``."""
    best, least = None, math.inf
    for distance in DISTANCES_PT:
        for box in _around(point, size, distance * pixels_per_point):
            covered = sum(box.overlap(other) for other in taken) + 4 * box.outside(bounds)
            # Between free places the nearest wins; covering anything is worse than any distance.
            if covered < least - 1e-6:
                best, least = box, covered
        if least == 0:
            break
    if best is None:
        raise ValueError("there is no place to try")
    return best


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
    nearest_x = min(max(point[0], box.left), box.right)
    nearest_y = min(max(point[1], box.bottom), box.top)
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
