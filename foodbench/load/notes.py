"""What a reader of a load's figures should know besides."""

from __future__ import annotations

from collections.abc import Sequence

from foodbench.load.pacing import AT_ONCE_S, UNANSWERED, pause_after
from foodbench.records.experiments import LoadProfile
from foodbench.records.loads import FailureCount

__all__ = ["notes_on"]

GENERATOR_LIMIT_CORES = 0.8
"""The generator is one thread. Above this share of a core it is late to notice answers."""


def notes_on(
    profile: LoadProfile,
    failures: Sequence[FailureCount],
    generator_cpu_cores: float,
    stopped_after_failures: int | None = None,
) -> tuple[str, ...]:
    """Return where the load differed from siege's, ended early, or was at its own limit, a line each."""
    notes = []
    if stopped_after_failures is not None:
        notes.append(f"It stopped early, after {stopped_after_failures:,} failures, as siege does after 1,024.")
    if any(failure.kind in UNANSWERED for failure in failures):
        pause_s = pause_after("connection-refused", 0.0, profile.users)
        notes.append(
            f"After a connection that failed within {1000 * AT_ONCE_S:g} ms a user waited {1000 * pause_s:g} ms; "
            "siege tries again at once."
        )
    if generator_cpu_cores > GENERATOR_LIMIT_CORES:
        notes.append(
            f"The load generator itself used {generator_cpu_cores:.2f} cores of the one it can use: "
            "the service may be faster than it could show."
        )
    return tuple(notes)
