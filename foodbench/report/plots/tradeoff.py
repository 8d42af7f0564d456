"""Accuracy against memory, transaction rate and response time: the three plots of the report."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from foodbench.analysis.pareto import Better, front
from foodbench.analysis.variants import Accuracy, Measured, Spread, VariantFacts
from foodbench.report.names import wrapped
from foodbench.report.plots.canvas import GREY, MODES, headline, new_figure, settle
from foodbench.report.plots.labels import Box, Label, place_labels

__all__ = ["TRADEOFFS", "Tradeoff", "draw_tradeoff"]

MIB = 2**20

SIGNS = ("†", "‡", "§", "¶", "#")

DASHES = (0, (4, 3))

NAME_WIDTH = 24
SUBTITLE_WIDTH = 125

WIDE_RANGE = 20.0
"""Most over least above which the axis is logarithmic."""


@dataclass(frozen=True)
class Tradeoff:
    """What accuracy is drawn against."""

    name: str
    """Of the file."""
    title: str
    axis: str
    better: Better
    of: str
    """Key of ``READERS``."""


TRADEOFFS = (
    Tradeoff(
        "accuracy-memory", "Accuracy against memory", "Memory under load, all replicas, mean (MiB)", "lower", "memory"
    ),
    Tradeoff(
        "accuracy-rate",
        "Accuracy against transaction rate",
        "Transaction rate (transactions per second)",
        "higher",
        "rate",
    ),
    Tradeoff("accuracy-response", "Accuracy against response time", "Response time, mean (s)", "lower", "response"),
)


@dataclass(frozen=True)
class Point:
    """A variant on the plot."""

    facts: VariantFacts
    x: Spread
    accuracy: Accuracy


def _read(measured: Measured, of: str) -> float:
    figures = measured.load.figures
    if of == "memory":
        return measured.resources.memory_total_mean_bytes / MIB
    return figures.transactions_per_s if of == "rate" else figures.response_time_s


def draw_tradeoff(variants: Sequence[VariantFacts], tradeoff: Tradeoff, title: str) -> Figure:
    """Draw one of the three plots.

    Args:
        variants: All variants of a run; those without figures are named below the plot.
        tradeoff: What accuracy is drawn against.
        title: Of the experiment.
    """
    figure = new_figure(8.0, 5.4)
    axes = figure.add_subplot()
    points = _points(variants, tradeoff)
    signs = _signs(variants)
    axes.set_xlabel(f"{tradeoff.axis}, {tradeoff.better} is better")
    axes.set_ylabel("Evaluation accuracy, with its 95 % interval")
    headline(axes, tradeoff.title, _subtitle(title, variants, points, signs))
    if not points:
        axes.text(0.5, 0.5, "No variant was measured", transform=axes.transAxes, ha="center", color=GREY)
        axes.set(xticks=[], yticks=[])
        return figure
    _scale(axes, points)
    corners = _front_corners(axes, points, tradeoff.better)
    axes.plot([x for x, _ in corners], [y for _, y in corners], color=GREY, linewidth=1.0, linestyle=DASHES, zorder=1.5)
    for point in points:
        _draw_point(axes, point)
    _legend(axes, points, with_front=bool(corners))
    labels = [_label(point, signs) for point in points]
    settle(figure)
    place_labels(figure, axes, labels, [*_bars(figure, axes, points), *_lines(axes, corners)])
    return figure


def _points(variants: Sequence[VariantFacts], tradeoff: Tradeoff) -> list[Point]:
    points = []
    for facts in variants:
        x = facts.spread(lambda measured: _read(measured, tradeoff.of))
        if x is not None and facts.accuracy is not None:
            points.append(Point(facts, x, facts.accuracy))
    return points


def _common_marks(variants: Sequence[VariantFacts]) -> list[str]:
    known = [facts.marks for facts in variants if facts.model is not None]
    return [mark for mark in known[0] if all(mark in marks for marks in known)] if known else []


def _signs(variants: Sequence[VariantFacts]) -> dict[str, str]:
    """Return a sign for each mark that only some of the variants carry."""
    common = _common_marks(variants)
    marks = dict.fromkeys(mark for facts in variants for mark in facts.marks if mark not in common)
    return {mark: SIGNS[place % len(SIGNS)] * (1 + place // len(SIGNS)) for place, mark in enumerate(marks)}


def _subtitle(title: str, variants: Sequence[VariantFacts], points: Sequence[Point], signs: dict[str, str]) -> str:
    told = [f"{title}."]
    if common := _common_marks(variants):
        told.append(f"Accuracy measured on: {'; '.join(common)}.")
    told += [f"{sign} {mark}." for mark, sign in signs.items()]
    shown = {point.facts.name for point in points}
    if missing := [facts.name for facts in variants if facts.name not in shown]:
        told.append(f"Not measured: {', '.join(missing)}.")
    return "\n".join(textwrap.wrap(" ".join(told), SUBTITLE_WIDTH))


def _scale(axes: Axes, points: Sequence[Point]) -> None:
    lows, highs = [point.x.low for point in points], [point.x.high for point in points]
    least, most = min(lows), max(highs)
    if least > 0 and most / least > WIDE_RANGE:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(least / 1.8, most * 1.8)
    else:
        room = 0.18 * (most - least) or 0.5 * most or 1.0
        axes.set_xlim(max(0.0, least - room) if least >= 0 else least - room, most + room)
    bottom, top = min(point.accuracy.low for point in points), max(point.accuracy.high for point in points)
    room = max(0.12 * (top - bottom), 0.01)
    axes.set_ylim(bottom - room, top + room)


def _front_corners(axes: Axes, points: Sequence[Point], better: Better) -> list[tuple[float, float]]:
    """Return the stairs that enclose every valid point, from the lower edge of the plot to its side."""
    valid = [point for point in points if point.facts.validity.valid]
    best = front([(point.x.median, point.accuracy.value) for point in valid], (better, "higher"))
    steps = sorted({(valid[index].x.median, valid[index].accuracy.value) for index in best}, key=lambda step: step[1])
    if not steps:
        return []
    side = axes.get_xlim()[1 if better == "lower" else 0]
    corners = [(steps[0][0], axes.get_ylim()[0])]
    for (x, y), (next_x, _) in zip(steps, [*steps[1:], (side, 0.0)], strict=True):
        corners += [(x, y), (next_x, y)]
    return corners


def _draw_point(axes: Axes, point: Point) -> None:
    colour, marker, _ = MODES[point.facts.variant.mode]
    x, y = point.x.median, point.accuracy.value
    axes.errorbar(
        [x],
        [y],
        xerr=None if point.x.repeats == 1 else [[x - point.x.low], [point.x.high - x]],
        yerr=[[max(0.0, y - point.accuracy.low)], [max(0.0, point.accuracy.high - y)]],
        fmt=marker,
        color=colour,
        markerfacecolor=colour if point.facts.validity.valid else "white",
        markersize=8,
        markeredgewidth=1.6,
        elinewidth=1.1,
        capsize=3,
        zorder=3,
    )


def _legend(axes: Axes, points: Sequence[Point], *, with_front: bool) -> None:
    handles = []
    for mode, (colour, marker, name) in MODES.items():
        if any(point.facts.variant.mode == mode for point in points):
            handles.append(Line2D([], [], color=colour, marker=marker, linestyle="", markersize=7, label=name))
    if any(not point.facts.validity.valid for point in points):
        handles.append(
            Line2D([], [], color=GREY, marker="o", markerfacecolor="white", linestyle="", label="hollow: not valid")
        )
    if with_front:
        handles.append(Line2D([], [], color=GREY, linestyle=DASHES, label="Pareto front"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=len(handles), fontsize=8)


def _label(point: Point, signs: dict[str, str]) -> Label:
    own = "".join(sign for mark, sign in signs.items() if mark in point.facts.marks)
    text = wrapped(point.facts.name, NAME_WIDTH) + (f" {own}" if own else "")
    return Label(text, point.x.median, point.accuracy.value, MODES[point.facts.variant.mode][0])


def _bars(figure: Figure, axes: Axes, points: Sequence[Point]) -> list[Box]:
    """Return the error bars as boxes."""
    thin = 2 * figure.dpi / 72
    boxes = []
    for point in points:
        x, y = point.x.median, point.accuracy.value
        _, low = axes.transData.transform((x, point.accuracy.low))
        middle, high = axes.transData.transform((x, point.accuracy.high))
        boxes.append(Box(middle - thin, low - thin, middle + thin, high + thin))
        left, across = axes.transData.transform((point.x.low, y))
        right, _ = axes.transData.transform((point.x.high, y))
        boxes.append(Box(left - thin, across - thin, right + thin, across + thin))
    return boxes


def _lines(axes: Axes, corners: Sequence[tuple[float, float]]) -> list[Box]:
    """Return the stairs of the front as boxes."""
    pixels = [tuple(axes.transData.transform(corner)) for corner in corners]
    return [
        Box(min(x, next_x) - 1, min(y, next_y) - 1, max(x, next_x) + 1, max(y, next_y) + 1)
        for (x, y), (next_x, next_y) in itertools.pairwise(pixels)
    ]
