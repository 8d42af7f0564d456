"""The strip below a timeline: what happened to the deployment, a row for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from foodbench.records.runs import CellResult
from foodbench.report.plots.canvas import BLUE, GREEN, ORANGE, VERMILLION

__all__ = ["draw_marks", "marks_of"]

KINDS = {
    "Unhealthy": ("probe failed", VERMILLION, "x"),
    "OOMKilled": ("out of memory", VERMILLION, "D"),
    "Error": ("process ended", VERMILLION, "s"),
    "BackOff": ("waits to restart", ORANGE, "v"),
    "Started": ("started", BLUE, "|"),
    "Ready": ("ready", GREEN, "^"),
    "SuccessfulRescale": ("HPA scaled", BLUE, ">"),
}
"""Reason of an event, what it is called, its colour and marker. Rows stand in this order."""

MARGIN_S = 5.0
"""Events this long before the load or after it are still shown."""


def marks_of(cell: CellResult, began: float) -> dict[str, list[float]]:
    """Return when events of each kind happened, in seconds since ``began``; kinds without any are left out.

    Nothing is shown of a cell in which replicas only started and got ready before the load.
    """
    elapsed_s = float("inf") if cell.load is None else cell.load.figures.elapsed_s
    found: dict[str, list[float]] = {reason: [] for reason in KINDS}
    for event in cell.events:
        at_s = event.time_s - began
        if event.reason in found and -MARGIN_S <= at_s <= elapsed_s + MARGIN_S:
            found[event.reason].append(at_s)
    if all(at_s < 0 for times in found.values() for at_s in times):
        return {}
    return {reason: times for reason, times in found.items() if times}


def draw_marks(axes: Axes, marked: Mapping[str, Sequence[float]]) -> None:
    """Draw a row of markers for each kind, named at the left and counted at the right."""
    for row, (reason, times) in enumerate(marked.items()):
        _, colour, marker = KINDS[reason]
        axes.plot(times, [row] * len(times), marker, color=colour, markersize=6, linestyle="none", clip_on=False)
        axes.annotate(f"{len(times):,}", (1.0, row), (6, 0), ("axes fraction", "data"), "offset points", va="center")
    axes.set_yticks(range(len(marked)), [KINDS[reason][0] for reason in marked])
    axes.set_ylim(len(marked) - 0.5, -0.5)
