"""Ten times as many requests as the service can compute, and what comes after."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from foodbench.analysis.statistics import percentile

from .clients import Answered, at_a_rate, at_rates, siege, with_status
from .cores import all_cores, confined_to
from .servers import Server, our_service
from .tables import Goal, Table

__all__ = ["cpu_of_a_refusal_s", "measure_overload", "settled_after_s"]

OVERLOAD = 10
AFTERWARDS_S = 5

RECOVERED_S = 2
"""Within which the usual answering time should be back."""

LOAD_AFTERWARDS = 0.5
"""Of the most that the service can do. A full queue empties while this load goes on, at half the speed."""

SETTLED = 1.5
"""A request counts as answered in the usual time up to this multiple of it."""


def measure_overload(bundle: Path, *, duration_s: int) -> Table:
    """Offer ten times the service's capacity, client and service each on a core of its own.

    Args:
        bundle: What is served.
        duration_s: How long.
    """
    server_core, *others = all_cores()
    client_cores = others or [server_core]
    with our_service(bundle, cores=[server_core]) as server, confined_to(client_cores):
        alone_s = statistics.median(answer.latency_s for answer in at_a_rate(server.port, rate=1, duration_s=5))
    capacity = queue_capacity(alone_s)
    service = our_service(bundle, "--queue-capacity", str(capacity), cores=[server_core])
    with service as server, confined_to(client_cores):
        return _measure(server, bundle.name, alone_s, capacity, duration_s)


def queue_capacity(alone_s: float) -> int:
    """Return how many may wait so that a full queue is gone in time for one more request to be answered as usual.

    Args:
        alone_s: How long one request takes with nothing beside it.
    """
    return max(1, int(RECOVERED_S * (1 - LOAD_AFTERWARDS) / alone_s) - 1)


def _measure(server: Server, name: str, alone_s: float, capacity: int, duration_s: int) -> Table:
    loop_cpu_s = [server.event_loop_cpu_s()]
    # One is computed while the others wait: none of these users is refused.
    figures = siege(server.url + "/test", duration_s=max(10, duration_s // 2), users=capacity + 1)
    most = figures["transactions"] / figures["elapsed_time"]
    loop_cpu_s.append(server.event_loop_cpu_s())
    began = time.monotonic()
    answers, after = at_rates(
        server.port,
        [(OVERLOAD * most, duration_s), (LOAD_AFTERWARDS * most, AFTERWARDS_S)],
        on_phase_sent=lambda: loop_cpu_s.append(server.event_loop_cpu_s()),
    )
    ended = began + duration_s
    admitted, refused = with_status(answers, 200), with_status(answers, 503)
    refusal_ms = 1000 * cpu_of_a_refusal_s(
        of_admitted_s=(loop_cpu_s[1] - loop_cpu_s[0]) / figures["transactions"],
        of_all_s=loop_cpu_s[2] - loop_cpu_s[1],
        admitted=len(admitted),
        refused=len(refused),
    )
    answered_meanwhile = [one for one in admitted if one.sent_s + one.latency_s <= ended]
    rate = len(answered_meanwhile) / (ended - began)
    rows = (
        ("alone, s", f"{alone_s:.3f}"),
        ("most, transactions/s", f"{most:.2f}"),
        ("offered, requests/s", f"{OVERLOAD * most:.1f}"),
        ("answered under overload, /s", f"{rate:.2f}"),
        ("of the most", Goal(least=90, unit=" %").verdict(100 * rate / most)),
        ("refused by 503", str(len(refused))),
        ("neither answered nor refused", Goal(most=0).verdict(len(answers) - len(admitted) - len(refused))),
        ("p50 of a refusal, ms", f"{_latency_ms(refused, 50):.2f}"),
        ("p99 of a refusal, ms", f"{_latency_ms(refused, 99):.2f}"),
        ("CPU of a refusal, ms", Goal(most=0.3).verdict(refusal_ms)),
        ("admitted again, s after", Goal(most=RECOVERED_S).verdict(_admitted_after_s(ended, after))),
        (
            "usual answering time again, s after",
            Goal(most=RECOVERED_S).verdict(settled_after_s(ended, after, usual_s=alone_s)),
        ),
    )
    return Table(f"Overload: {name}, {duration_s} s, queue of {capacity}", ("Figure", "Value"), rows)


def cpu_of_a_refusal_s(*, of_admitted_s: float, of_all_s: float, admitted: int, refused: int) -> float:
    """Return what one refusal takes of the event loop's thread, where nothing else refuses.

    Args:
        of_admitted_s: What one admitted request takes of it.
        of_all_s: What it took while it admitted and refused.
        admitted: How many it admitted then.
        refused: How many it refused.
    """
    return (of_all_s - admitted * of_admitted_s) / refused if refused else float("nan")


def _latency_ms(answers: Sequence[Answered], percent: float) -> float:
    return 1000 * percentile([answer.latency_s for answer in answers], percent) if answers else float("nan")


def _admitted_after_s(ended: float, after: Sequence[Answered]) -> float:
    """Return when, after the overload's end, the first request was sent that was admitted."""
    return min((answer.sent_s for answer in with_status(after, 200)), default=float("inf")) - ended


def settled_after_s(ended: float, after: Sequence[Answered], *, usual_s: float) -> float:
    """Return when the first request that took no longer than usual was answered, in seconds after the overload's end.

    Args:
        ended: When the overload did.
        after: Of what was sent then.
        usual_s: How long a request takes with nothing beside it.
    """
    usual = [one.sent_s + one.latency_s for one in with_status(after, 200) if one.latency_s <= SETTLED * usual_s]
    return min(usual, default=float("inf")) - ended
