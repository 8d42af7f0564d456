"""How long a user waits where nobody answers.

A closed loop has no waiting. But a connection that is refused fails within microseconds, so ten users
against a closed port would take a whole core from the very service that is trying to come back, and
write tens of thousands of samples a second that say the same. siege spins like that, and gives up after
1,024 failures. foodbench waits, and goes on to the end unless it is told to give up too.
"""

from __future__ import annotations

from foodbench.records.loads import FailureKind

__all__ = ["AT_ONCE_S", "MOST_ATTEMPTS_PER_S", "pause_after"]

AT_ONCE_S = 0.005
"""A connection that fails faster than this was turned away, not lost under load."""

MOST_ATTEMPTS_PER_S = 500
"""Of all users together while connections fail at once: a few per cent of a core (0.04 measured)."""

LONGEST_PAUSE_S = 1.0
"""A user of more than 500 still looks once a second whether the service is back."""

UNANSWERED: tuple[FailureKind, ...] = ("connection-refused", "connection-reset", "connection-closed")


def pause_after(failure: FailureKind | None, latency_s: float, users: int) -> float:
    """Return how long a user waits before its next request: 0, except after a connection that failed at once."""
    if failure not in UNANSWERED or latency_s >= AT_ONCE_S:
        return 0.0
    return min(LONGEST_PAUSE_S, users / MOST_ATTEMPTS_PER_S)
