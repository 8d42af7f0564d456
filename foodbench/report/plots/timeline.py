"""What one cell did, second by second: response times, failures, CPU, memory, replicas, and what happened to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foodbench.analysis.rules.evidence import outages
from foodbench.records.runs import CellResult
from foodbench.report.plots.canvas import BLUE, GREEN, GREY, ORANGE, VERMILLION, headline, new_figure
from foodbench.report.plots.marks import draw_marks, marks_of

__all__ = ["draw_timeline"]

MIB = 2**20

Numbers = npt.NDArray[Any]


def draw_timeline(cell: CellResult, samples: pa.Table, replicas: pa.Table, counts: pa.Table) -> Figure:
    """Draw a cell's timeline.

    Args:
        cell: Whose.
        samples: One row a request (``LOAD_COLUMNS``).
        replicas: One row a reading of a replica (``REPLICA_COLUMNS``).
        counts: One row a reading of the deployment (``DEPLOYMENT_COLUMNS``).
    """
    began = _began(cell, samples, replicas)
    marked = marks_of(cell, began)
    strip = 0.35 * len(marked) + 0.15
    figure = new_figure(8.0, 7.6 + 0.7 * strip)
    ratios = (3, 2, 2, 1.4, strip)[: 5 if marked else 4]
    latency, cpu, memory, ready, *events = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    _draw_latency(latency, samples, began)
    _draw_usage(cpu, replicas, began, "cpu_cores", 1.0)
    _draw_usage(memory, replicas, began, "memory_bytes", MIB)
    _draw_counts(ready, counts, began)
    headline(latency, f"{cell.cell}, over time", _subtitle(cell))
    limit = cell.variant.resources
    latency.set_ylabel("Response time (ms)")
    cpu.set_ylabel("CPU (cores)")
    memory.set_ylabel("Memory (MiB)")
    cpu.axhline(limit.cpu_limit_cores, color=VERMILLION, linewidth=0.9, linestyle=":", label="limit of each replica")
    ready.set_ylabel("Replicas")
    for outage in outages(cell):
        for axes in (latency, ready):
            axes.axvspan(outage.began_s, outage.ended_s, color=VERMILLION, alpha=0.12, linewidth=0)
    if outages(cell):
        latency.axvspan(0, 0, color=VERMILLION, alpha=0.12, linewidth=0, label="no endpoint")
    for axes in events:
        draw_marks(axes, marked)
    (*events, ready)[0].set_xlabel("Seconds since the load began")
    for axes in (latency, cpu, memory, ready):
        # A level curve would else lie on the upper edge: margins are a share of what the data spans.
        axes.set_ylim(0, max(axes.get_ylim()[1], 1.05 * axes.dataLim.y1))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        else:
            axes.text(0.5, 0.5, "nothing recorded", transform=axes.transAxes, ha="center", va="center", color=GREY)
    figure.align_ylabels([latency, cpu, memory, ready])
    return figure


def _began(cell: CellResult, samples: pa.Table, replicas: pa.Table) -> float:
    if cell.load is not None:
        return cell.load.started_at
    for table, column in ((samples, "started_at"), (replicas, "time_s")):
        if len(table):
            return float(np.min(table[column].to_numpy()))
    return 0.0


def _subtitle(cell: CellResult) -> str:
    if cell.load is None:
        return f"Not measured: {cell.failure}"
    figures = cell.load.figures
    told = (
        f"{figures.transactions:,} transactions, {figures.failed_transactions:,} failed,"
        f" {figures.transactions_per_s:,.1f} a second"
    )
    return told if cell.validity.valid else f"{told}. Not valid: {cell.validity.cause}"


def _draw_latency(axes: Axes, samples: pa.Table, began: float) -> None:
    if not len(samples):
        return
    at = samples["started_at"].to_numpy() - began
    latency_ms = samples["latency_ms"].to_numpy()
    failed = np.asarray(samples["failure"].to_pylist(), dtype=object) != ""
    answered = ~failed
    if answered.any():
        axes.plot(
            at[answered],
            latency_ms[answered],
            ".",
            color=BLUE,
            alpha=0.35,
            markersize=3,
            rasterized=True,
            label="transaction",
        )
        seconds, medians = _medians(at[answered], latency_ms[answered])
        axes.plot(seconds, medians, color="black", linewidth=1.2, label="median of each second")
    if failed.any():
        axes.plot(
            at[failed],
            np.full(int(failed.sum()), 0.03),
            "|",
            transform=axes.get_xaxis_transform(),
            color=VERMILLION,
            markersize=9,
            rasterized=True,
            label=f"failed ({int(failed.sum()):,})",
        )


def _medians(at: Numbers, values: Numbers) -> tuple[Numbers, Numbers]:
    """Return the median of the values of each whole second, at its middle."""
    seconds = np.floor(at)
    present = np.unique(seconds)
    return present + 0.5, np.asarray([np.median(values[seconds == second]) for second in present])


def _draw_usage(axes: Axes, replicas: pa.Table, began: float, column: str, unit: float) -> None:
    """Draw each replica thin, and their sum thick where there are several."""
    if not len(replicas):
        return
    at = replicas["time_s"].to_numpy() - began
    values = replicas[column].to_numpy().astype(np.float64) / unit
    names = np.asarray(replicas["replica"].to_pylist(), dtype=object)
    each = sorted(set(names))
    for place, name in enumerate(each):
        own = names == name
        axes.plot(at[own], values[own], color=ORANGE, linewidth=1.0, label="each replica" if place == 0 else None)
    if len(each) > 1:
        times, inverse = np.unique(at, return_inverse=True)
        total = np.bincount(inverse, weights=np.nan_to_num(values), minlength=len(times))
        axes.plot(times, total, color=GREEN, linewidth=1.8, label="all replicas")


def _draw_counts(axes: Axes, counts: pa.Table, began: float) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if not len(counts):
        return
    at = counts["time_s"].to_numpy() - began
    desired, ready = counts["desired_replicas"].to_numpy(), counts["ready_replicas"].to_numpy()
    axes.step(at, ready, where="post", color=BLUE, linewidth=2.6, label="ready")
    # Over the other, so that both are seen where they are equal.
    axes.step(at, desired, where="post", color=ORANGE, linewidth=1.2, linestyle="--", label="desired")
    axes.set_ylim(top=max(int(desired.max()), int(ready.max())) + 0.6)
