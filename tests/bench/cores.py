"""Which cores a measurement's two sides may use."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager

__all__ = ["all_cores", "confined_to"]


def all_cores() -> list[int]:
    """Return those this process may use."""
    return sorted(os.sched_getaffinity(0))


@contextmanager
def confined_to(cores: Collection[int]) -> Iterator[None]:
    """Let this thread, and what it starts meanwhile, run on ``cores`` only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
