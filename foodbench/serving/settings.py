"""How a replica computes."""

from __future__ import annotations

from dataclasses import dataclass

from foodbench.serving.cpu import AvailableCpu

__all__ = ["ALONE", "Batching", "Settings"]


@dataclass(frozen=True)
class Batching:
    """How many images a worker computes at once."""

    size: int
    """Most of them; 1 for each alone."""
    wait_s: float
    """How long the first waits for the others."""


ALONE = Batching(size=1, wait_s=0.0)


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
    batching: Batching = ALONE
