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

QUEUE_CAPACITY = 10
"""Ten users in a closed loop just fit; worked off within 2 s by one core on ResNet101V2 in float32."""

SETTLED = 1.5
"""A request counts as answered in the usual time up to this multiple of it."""


def measure_overload(bundle: Path, *, duration_s: int) -> Table:
    """Offer ten times the service's capacity, client and service each on a core of its own.

    Args:
        bundle: What is served.
        duration_s: How long.
    """
    server_core, *others = all_cores()
    service = our_service(bundle, "--queue-capacity", str(QUEUE_CAPACITY), cores=[server_core])
    with service as server, confined_to(others or [server_core]):
        return _measure(server, bundle.name, duration_s)


def _measure(server: Server, name: str, duration_s: int) -> Table:
    alone_s = statistics.median(answer.latency_s for answer in at_a_rate(server.port, rate=1, duration_s=5))
    loop_cpu_s = [server.event_loop_cpu_s()]
    figures = siege(server.url + "/test", duration_s=max(10, duration_s // 2))
    most = figures["transactions"] / figures["elapsed_time"]
    loop_cpu_s.append(server.event_loop_cpu_s())
    began = time.monotonic()
    answers, after = at_rates(
        server.port,
        [(OVERLOAD * most, duration_s), (most / 2, AFTERWARDS_S)],
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
        ("most, transactions/s", f"{most:.2f}"),
        ("offered, requests/s", f"{OVERLOAD * most:.1f}"),
        ("answered under overload, /s", f"{rate:.2f}"),
        ("of the most", Goal(least=90, unit=" %").verdict(100 * rate / most)),
        ("refused by 503", str(len(refused))),
        ("neither answered nor refused", Goal(most=0).verdict(len(answers) - len(admitted) - len(refused))),
        ("p50 of a refusal, ms", f"{_latency_ms(refused, 50):.2f}"),
        ("p99 of a refusal, ms", f"{_latency_ms(refused, 99):.2f}"),
        ("CPU of a refusal, ms", Goal(most=0.3).verdict(refusal_ms)),
        ("admitted again, s after", Goal(most=2).verdict(_admitted_after_s(ended, after))),
        (
            "usual answering time again, s after",
            Goal(most=2).verdict(settled_after_s(ended, after, usual_s=alone_s)),
        ),
    )
    return Table(f"Overload: {name}, {duration_s} s, queue of {QUEUE_CAPACITY}", ("Figure", "Value"), rows)


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
