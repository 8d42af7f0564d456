"""Several images side by side, or several threads on one: which the cores are better used for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .bare import BareLatency, BareRate, Layout, bare_latency, bare_rate
from .cores import all_cores
from .tables import Table, median_of

__all__ = ["measure_parallelism"]

IDLE_SHARE = 0.2
"""Of the lower rate: nothing ever waits for the prediction before."""


def measure_parallelism(bundles: Sequence[Path], *, rounds: int, duration_s: int) -> Table:
    """Measure a worker for each core, and one worker with a thread for each core, in turn.

    Args:
        bundles: One a runtime.
        rounds: Of both in turn.
        duration_s: Of one measurement.
    """
    cores = all_cores()
    layouts = Layout(workers=len(cores)), Layout(workers=1, threads=len(cores))
    rows = []
    for bundle in bundles:
        rates: list[list[BareRate]] = [[], []]
        latencies: list[list[BareLatency]] = [[], []]
        for _ in range(rounds):
            for layout, found in zip(layouts, rates, strict=True):
                found.append(bare_rate(bundle, layout, cores=cores, duration_s=duration_s))
            rate = IDLE_SHARE * min(found[-1].rate for found in rates)
            for layout, taken in zip(layouts, latencies, strict=True):
                taken.append(bare_latency(bundle, layout, cores=cores, duration_s=duration_s, rate=rate))
        rows.append(
            (
                bundle.name.split(".")[1],
                *(f"{median_of(found, lambda one: one.rate):.1f}" for found in rates),
                *(f"{median_of(taken, lambda one: one.p50_ms):.1f}" for taken in latencies),
            )
        )
    count = len(cores)
    columns = ("Runtime", f"{count}x1, /s", f"1x{count}, /s", f"{count}x1, idle ms", f"1x{count}, idle ms")
    heading = f"Workers x threads: {bundles[0].name.split('.')[0]}, decoding included, median of {rounds} rounds"
    return Table(heading, columns, tuple(rows))
