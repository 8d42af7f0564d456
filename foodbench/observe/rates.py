"""From what a replica has used so far to what it is using now; and when to look next."""

from __future__ import annotations

import math
from dataclasses import dataclass

from foodbench.records.traces import ReplicaUsage

__all__ = ["Reading", "cpu_cores", "next_turn"]


@dataclass(frozen=True)
class Reading:
    """What one replica had used at one moment."""

    time_s: float
    usage: ReplicaUsage


def cpu_cores(now: Reading, before: Reading | None) -> float:
    """Return the mean CPU a replica used between two readings, over the time that really lay between them.

    NaN where it cannot be known: at a replica's first reading, and where its counter went back because its
    processes were started again.
    """
    if before is None:
        return math.nan
    used_s, passed_s = now.usage.cpu_s - before.usage.cpu_s, now.time_s - before.time_s
    return used_s / passed_s if used_s >= 0 and passed_s > 0 else math.nan


def next_turn(due_s: float, now_s: float, interval_s: float) -> float:
    """Return when the next sample is due, after one that was due at ``due_s`` and is done at ``now_s``.

    Turns stay a whole number of intervals apart. Those that were missed are left out, not made up for.
    """
    return due_s + (math.floor((now_s - due_s) / interval_s) + 1) * interval_s
