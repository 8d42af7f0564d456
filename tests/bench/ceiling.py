"""How near the service comes to decoding and inference alone, and what half a load does to latency."""

from __future__ import annotations

import os
import resource
import statistics
from dataclasses import dataclass
from pathlib import Path

from foodbench.analysis.statistics import percentile

from .bare import Bare, measure_bare
from .clients import at_a_rate, siege, with_status
from .servers import Server, our_service
from .tables import Goal, Table, median_of

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
    bares: list[Bare] = []
    rates: list[float] = []
    cpus_ms: list[float] = []
    with our_service(bundle) as server:
        for _ in range(pairs):
            bares.append(measure_bare(bundle, workers=workers, duration_s=duration_s))
            cpu_before_s = _cpu_s(server)
            figures = siege(server.url + "/test", duration_s=duration_s)
            cpus_ms.append(1000 * (_cpu_s(server) - cpu_before_s) / figures["transactions"])
            rates.append(figures["transactions"] / figures["elapsed_time"])
        half = statistics.median(rates) / 2
        halves = [_half_load(server, half) for _ in range(pairs)]
    bare_ms, bare_p99_ms = median_of(bares, lambda one: one.latency_ms), median_of(bares, lambda one: one.p99_ms)
    p50_ms, p99_ms = median_of(halves, lambda one: one.p50_ms), median_of(halves, lambda one: one.p99_ms)
    share = statistics.median(100 * rate / bare.rate for rate, bare in zip(rates, bares, strict=True))
    # Where others use the machine too, a service of many threads gets a larger part of it than a loop of two.
    cpu_share = statistics.median(100 * bare.cpu_ms / cpu_ms for cpu_ms, bare in zip(cpus_ms, bares, strict=True))
    rows = (
        ("bare loop, predictions/s", f"{median_of(bares, lambda one: one.rate):.1f}"),
        ("service under siege, transactions/s", f"{statistics.median(rates):.1f}"),
        ("service of bare", Goal(least=85, unit=" %").verdict(share)),
        ("CPU of one bare prediction, ms", f"{median_of(bares, lambda one: one.cpu_ms):.2f}"),
        ("CPU of one request, service and siege, ms", f"{statistics.median(cpus_ms):.2f}"),
        ("bare of that", Goal(least=85, unit=" %").verdict(cpu_share)),
        ("bare latency, ms", f"{bare_ms:.1f}"),
        ("its own p99, ms", f"{bare_p99_ms:.1f}"),
        (f"p50 at half load ({half:.0f}/s), ms", f"{p50_ms:.1f}"),
        ("p99 at half load, ms", f"{p99_ms:.1f}"),
        ("p99 of bare latency", Goal(most=2, unit="x").verdict(p99_ms / bare_ms)),
        ("not answered at half load", Goal(most=0).verdict(sum(one.unanswered for one in halves))),
    )
    heading = f"Near the limit: {bundle.name}, {workers} threads, client on the same cores, median of {pairs} rounds"
    return Table(heading, ("Figure", "Value"), rows)


def _cpu_s(server: Server) -> float:
    """Return the CPU time of the service, and of the clients that have ended."""
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    return server.cpu_s() + clients.ru_utime + clients.ru_stime


@dataclass(frozen=True)
class _HalfLoad:
    p50_ms: float
    p99_ms: float
    unanswered: int


def _half_load(server: Server, rate: float) -> _HalfLoad:
    answers = at_a_rate(server.port, rate=rate, duration_s=LEAST_SAMPLES / rate)
    latencies_ms = [1000 * answer.latency_s for answer in with_status(answers, 200)]
    return _HalfLoad(percentile(latencies_ms, 50), percentile(latencies_ms, 99), len(answers) - len(latencies_ms))
