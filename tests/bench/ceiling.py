"""How near the service comes to decoding and inference alone, and what half a load does to latency."""

from __future__ import annotations

import resource
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foodbench.analysis.statistics import percentile

from .bare import BareLatency, BareRate, Layout, bare_latency, bare_rate
from .clients import at_a_rate, siege, with_status
from .cores import all_cores, confined_to
from .servers import Server, our_service
from .tables import Goal, Table, median_of

__all__ = ["PLACEMENTS", "Placement", "measure_ceiling"]

LEAST_SAMPLES = 700
"""For p99 at 99 % confidence (662)."""


@dataclass(frozen=True)
class Placement:
    """Which of this machine's cores each side gets, and what the service should reach on them."""

    name: str
    service_cores: slice
    client_cores: slice
    goal: Goal


PLACEMENTS = (
    Placement("client on the same cores", slice(None), slice(None), Goal(least=85, unit=" %")),
    Placement("one core each", slice(1), slice(1, 2), Goal(least=90, unit=" %")),
)


@dataclass(frozen=True)
class _Saturated:
    rate: float
    cpu_ms: float
    """Of one request, the client's part included where it shares the cores."""


@dataclass(frozen=True)
class _HalfLoad:
    p50_ms: float
    p99_ms: float
    unanswered: int


def measure_ceiling(bundle: Path, placement: Placement, *, pairs: int, duration_s: int) -> Table:
    """Measure the bare loop and the service in turn, first without a pause, then at half of the service's rate.

    Args:
        bundle: What both run.
        placement: Where. The bare loop gets the service's cores.
        pairs: How often each.
        duration_s: Of one measurement without a pause.
    """
    cores = all_cores()
    service_cores, client_cores = cores[placement.service_cores], cores[placement.client_cores] or cores
    layout = Layout(workers=len(service_cores))
    bares: list[BareRate] = []
    services: list[_Saturated] = []
    latencies: list[BareLatency] = []
    halves: list[_HalfLoad] = []
    with our_service(bundle, cores=service_cores) as server:
        for _ in range(pairs):
            bares.append(bare_rate(bundle, layout, cores=service_cores, duration_s=duration_s))
            with confined_to(client_cores):
                services.append(_saturated(server, duration_s, count_client=client_cores == service_cores))
        half = median_of(services, lambda one: one.rate) / 2
        for _ in range(pairs):
            latencies.append(
                bare_latency(bundle, layout, cores=service_cores, duration_s=LEAST_SAMPLES / half + 1, rate=half)
            )
            with confined_to(client_cores):
                halves.append(_half_load(server, half))
    rows = (*_saturation_rows(bares, services, placement.goal), *_half_load_rows(latencies, halves, half))
    heading = f"Near the limit: {bundle.name}, {placement.name}, {layout.workers} workers, median of {pairs} rounds"
    return Table(heading, ("Figure", "Value"), rows)


def _saturation_rows(
    bares: Sequence[BareRate], services: Sequence[_Saturated], goal: Goal
) -> tuple[tuple[str, str], ...]:
    pairs = list(zip(services, bares, strict=True))
    share = statistics.median(100 * service.rate / bare.rate for service, bare in pairs)
    # Where others use the machine too, a service of many threads gets a larger part of it than a loop of few.
    cpu_share = statistics.median(100 * bare.cpu_ms / service.cpu_ms for service, bare in pairs)
    return (
        ("bare loop, predictions/s", f"{median_of(bares, lambda one: one.rate):.1f}"),
        ("service under siege, transactions/s", f"{median_of(services, lambda one: one.rate):.1f}"),
        ("service of bare", goal.verdict(share)),
        ("CPU of one bare prediction, ms", f"{median_of(bares, lambda one: one.cpu_ms):.2f}"),
        ("CPU of one request, ms", f"{median_of(services, lambda one: one.cpu_ms):.2f}"),
        ("bare of that", goal.verdict(cpu_share)),
    )


def _half_load_rows(
    latencies: Sequence[BareLatency], halves: Sequence[_HalfLoad], rate: float
) -> tuple[tuple[str, str], ...]:
    ratio = statistics.median(half.p99_ms / bare.p50_ms for half, bare in zip(halves, latencies, strict=True))
    return (
        (f"bare at half load ({rate:.0f}/s), p50, ms", f"{median_of(latencies, lambda one: one.p50_ms):.1f}"),
        ("its p99, ms", f"{median_of(latencies, lambda one: one.p99_ms):.1f}"),
        ("service at half load, p50, ms", f"{median_of(halves, lambda one: one.p50_ms):.1f}"),
        ("its p99, ms", f"{median_of(halves, lambda one: one.p99_ms):.1f}"),
        ("p99 of bare p50", Goal(most=2, unit="x").verdict(ratio)),
        ("not answered at half load", Goal(most=0).verdict(sum(one.unanswered for one in halves))),
    )


def _saturated(server: Server, duration_s: int, *, count_client: bool) -> _Saturated:
    before_s = server.cpu_s() + count_client * _clients_cpu_s()
    figures = siege(server.url + "/test", duration_s=duration_s)
    taken_s = server.cpu_s() + count_client * _clients_cpu_s() - before_s
    return _Saturated(figures["transactions"] / figures["elapsed_time"], 1000 * taken_s / figures["transactions"])


def _clients_cpu_s() -> float:
    """Return the CPU time of the clients that have ended."""
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    return clients.ru_utime + clients.ru_stime


def _half_load(server: Server, rate: float) -> _HalfLoad:
    answers = at_a_rate(server.port, rate=rate, duration_s=LEAST_SAMPLES / rate)
    latencies_ms = [1000 * answer.latency_s for answer in with_status(answers, 200)]
    return _HalfLoad(percentile(latencies_ms, 50), percentile(latencies_ms, 99), len(answers) - len(latencies_ms))
