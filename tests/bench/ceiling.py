"""How near the service comes to decoding and inference alone, and what half a load does to latency."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from foodbench.analysis.statistics import percentile

from .bare import measure_bare
from .clients import at_a_rate, siege, with_status
from .servers import our_service
from .tables import Goal, Table

__all__ = ["measure_ceiling"]

LEAST_SAMPLES = 700
"""For p99 at 99 % confidence (662)."""


def measure_ceiling(bundle: Path, *, pairs: int, duration_s: int) -> Table:
    """Measure the bare loop and the service in turn, then the service at half of its rate.

    Args:
        bundle: What both run.
        pairs: How often each.
        duration_s: Of one measurement.
    """
    workers = len(os.sched_getaffinity(0))
    shares, bare_rates, rates, latencies_ms = [], [], [], []
    with our_service(bundle) as server:
        for _ in range(pairs):
            bare = measure_bare(bundle, workers=workers, duration_s=duration_s)
            figures = siege(server.url + "/test", duration_s=duration_s)
            rate = figures["transactions"] / figures["elapsed_time"]
            bare_rates.append(bare.rate)
            rates.append(rate)
            shares.append(100 * rate / bare.rate)
            latencies_ms.append(bare.latency_ms)
        half = statistics.median(rates) / 2
        answers = at_a_rate(server.port, rate=half, duration_s=max(duration_s, LEAST_SAMPLES / half))
    bare_ms = statistics.median(latencies_ms)
    well = with_status(answers, 200)
    p50_ms, p99_ms = (1000 * percentile([answer.latency_s for answer in well], percent) for percent in (50, 99))
    rows = (
        ("bare loop, predictions/s", f"{statistics.median(bare_rates):.1f}"),
        ("service under siege, transactions/s", f"{statistics.median(rates):.1f}"),
        ("service of bare", Goal(least=85, unit=" %").verdict(statistics.median(shares))),
        ("bare latency, ms", f"{bare_ms:.1f}"),
        (f"p50 at half load ({half:.0f}/s), ms", f"{p50_ms:.1f}"),
        (f"p99 at half load, ms ({len(well)} of {len(answers)} answered)", f"{p99_ms:.1f}"),
        ("p99 of bare latency", Goal(most=2, unit="x").verdict(p99_ms / bare_ms)),
    )
    heading = f"Near the limit: {bundle.name}, {workers} threads, client on the same cores"
    return Table(heading, ("Figure", "Value"), rows)
