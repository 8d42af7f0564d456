"""How the connections were shared among the replicas, against what a choice at random would have given each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Share", "shares"]

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """What one replica took, and what it would have been given at random."""

    taken: int
    expected: float


def shares(replicas: pa.Table, column: str) -> dict[str, Share]:
    """Return the share of every replica whose service gave a counter.

    Between two readings a replica is given its part of what all took, by how much of that time it was
    ready: a replica that was added late, or was unready for a while, owes nobody anything.

    Args:
        replicas: One row a replica and sample (``REPLICA_COLUMNS``).
        column: The counter to compare: ``connections`` or ``requests``.
    """
    times, names = _numbers(replicas, "time_s"), np.asarray(replicas["replica"].to_pylist(), dtype=object)
    counts = _numbers(replicas, column)
    asked_at = np.unique(times[~np.isnan(counts)])
    if len(asked_at) < 2:
        return {}
    ready = np.asarray(replicas["ready"].to_pylist(), dtype=np.float64)
    each = [name for name in sorted(set(names)) if not np.isnan(counts[names == name]).all()]
    first = times.min()
    taken = np.array([_taken(times[names == name], counts[names == name], asked_at, first) for name in each])
    present = np.array([_present(times[names == name], ready[names == name], asked_at) for name in each])
    among = present.sum(axis=0)
    chance = np.divide(present, among, out=np.zeros_like(present), where=among > 0)
    expected = (chance * taken.sum(axis=0) * (among > 0)).sum(axis=1)
    return {
        name: Share(round(float(own.sum())), float(due)) for name, own, due in zip(each, taken, expected, strict=True)
    }


def _taken(times: Numbers, counts: Numbers, asked_at: Numbers, first: float) -> Numbers:
    """Return by how much a counter rose in each interval between readings of any replica."""
    known = ~np.isnan(counts)
    order = np.argsort(times[known], kind="stable")
    at, values = times[known][order], counts[known][order]
    # A counter that goes back began anew with its process: all it shows then was added since.
    rises = np.diff(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(rises < 0, values[1:], rises))])
    # What a replica that was there from the beginning had counted before is no part of this.
    before = 0.0 if times.min() > first else -values[0]
    return np.diff(np.interp(asked_at, at, total + values[0] + before, left=0.0))


def _present(times: Numbers, ready: Numbers, asked_at: Numbers) -> Numbers:
    """Return in how many samples of each interval a replica was ready."""
    place = np.searchsorted(asked_at, times, side="left") - 1
    inside = (place >= 0) & (place < len(asked_at) - 1)
    return np.bincount(place[inside], ready[inside], minlength=len(asked_at) - 1).astype(np.float64)


def _numbers(table: pa.Table, name: str) -> Numbers:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
