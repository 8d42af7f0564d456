"""How a replica computes."""

from __future__ import annotations

from dataclasses import dataclass

from foodbench.serving.cpu import AvailableCpu

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How this replica computes."""

    cpu: AvailableCpu
    workers: int
    """Predictions computed side by side."""
    threads_per_worker: int
    queue_capacity: int
    """Requests that may wait; 0 for no bound."""
    deadline_s: float
    """Longest wait for a worker."""
