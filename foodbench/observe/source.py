"""What the sampler reads: the same for processes on this machine and for pods in a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from foodbench.records.traces import ReplicaUsage, ServiceCounters

__all__ = ["UsageSource"]


class UsageSource(Protocol):
    """A deployment that can be asked what it uses now."""

    def usage(self) -> tuple[ReplicaUsage, ...]:
        """Return what each replica that lives now has used so far."""

    def service_counters(self) -> Mapping[str, ServiceCounters]:
        """Return what each replica's service says of itself, by replica; one that does not answer is left out."""

    def replica_counts(self) -> tuple[int, int]:
        """Return how many replicas are ready, and how many are wanted."""
