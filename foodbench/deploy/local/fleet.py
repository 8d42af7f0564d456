"""Which replicas go when there are too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

__all__ = ["choose_leaving", "free_slot"]


class _Rankable(Protocol):
    @property
    def phase(self) -> str: ...

    @property
    def restarts(self) -> int: ...

    @property
    def created_at(self) -> float: ...


AnyReplica = TypeVar("AnyReplica", bound=_Rankable)


def choose_leaving(replicas: Sequence[AnyReplica], count: int) -> tuple[AnyReplica, ...]:
    """Return the ``count`` replicas to remove: those not ready first, then the most restarted, then the youngest.

    The order of Kubernetes' ReplicaSet controller (its ActivePodsWithRanks), as far as it applies here.
    """
    ranked = sorted(replicas, key=lambda replica: (replica.phase == "ready", -replica.restarts, -replica.created_at))
    return tuple(ranked[:count])


def free_slot(taken: Sequence[int]) -> int:
    """Return the lowest slot that is not taken."""
    slot = 0
    while slot in taken:
        slot += 1
    return slot
