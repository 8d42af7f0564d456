"""Memory, CPU and replicas over the time of a load, weighted by the intervals that really lay between samples.

Memory and replica counts are read at a moment and taken to hold until the next sample (a step function).
Over a gap (an interval more than twice as long as asked for) nobody knows what they were: it counts in
neither numerator nor denominator. CPU and throttling are differences of counters, exact over any interval,
gaps among them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foodbench.analysis.sharing import shares
from foodbench.errors import InvalidMeasurement
from foodbench.records.traces import ReplicaSummary, ResourceSummary

__all__ = ["GAP_FACTOR", "during", "step_mean", "summarise_resources"]

GAP_FACTOR = 2.0
"""An interval this many times as long as asked for is a gap: at least one sample is missing."""

Numbers = npt.NDArray[np.float64]


def during(readings: pa.Table, began_s: float, ended_s: float) -> pa.Table:
    """Return the readings that tell what was from ``began_s`` to ``ended_s``.

    From the last that is not after the beginning to the first that is not before the end: sampling goes on while
    the load generator starts and ends, when a deployment idles.

    Args:
        readings: With a column ``time_s``, rising.
        began_s: On the clock of ``time_s``.
        ended_s: The same.
    """
    times_s = _column(readings, "time_s")
    if not len(times_s):
        return readings
    first = times_s[max(0, int(np.searchsorted(times_s, began_s, side="right")) - 1)]
    last = times_s[min(len(times_s) - 1, int(np.searchsorted(times_s, ended_s, side="left")))]
    return readings.filter(pa.array((times_s >= first) & (times_s <= last)))


def summarise_resources(
    replicas: pa.Table, counts: pa.Table, *, memory_loaded_bytes: int, interval_s: float
) -> ResourceSummary:
    """Summarise what a deployment used.

    Args:
        replicas: One row a replica and sample, with the columns of ``REPLICA_COLUMNS``.
        counts: One row a sample, with the columns of ``DEPLOYMENT_COLUMNS``.
        memory_loaded_bytes: Of one replica, model loaded, before the load; passed through.
        interval_s: What was asked for between two samples, above 0.

    Raises:
        InvalidMeasurement: There is no sample of any replica.
    """
    if len(replicas) == 0:
        raise InvalidMeasurement("the replicas' usage was never sampled", "Load the service for longer than a second")
    times = np.unique(np.concatenate([_column(replicas, "time_s"), _column(counts, "time_s")]))
    at = np.searchsorted(times, _column(replicas, "time_s"))
    memory = _column(replicas, "memory_bytes")
    total = np.bincount(at, memory, minlength=len(times)).astype(np.float64)
    living = np.bincount(at, minlength=len(times)).astype(np.float64)
    living_mean = step_mean(times, living, interval_s)
    total_mean = step_mean(times, total, interval_s)
    count_times, ready = _column(counts, "time_s"), _column(counts, "ready_replicas")
    return ResourceSummary(
        samples=len(times),
        gaps=int(_is_gap(times, interval_s).sum()),
        memory_loaded_bytes=memory_loaded_bytes,
        memory_per_replica_mean_bytes=round(total_mean / living_mean) if living_mean else round(memory.mean()),
        memory_per_replica_peak_bytes=round(memory.max()),
        memory_total_mean_bytes=round(total_mean),
        memory_total_peak_bytes=round(total.max()),
        cpu_total_mean_cores=_cpu_mean(replicas, times),
        replicas_mean=step_mean(count_times, ready, interval_s) if len(counts) else 0.0,
        replicas_peak=int(ready.max(initial=0.0)),
        throttled_fraction=_throttled_fraction(replicas, _rows_by_replica(replicas).values()),
        replicas=_each_replica(replicas),
        without_ready_replica_s=_without_ready(count_times, ready, interval_s),
    )


def _without_ready(times_s: Numbers, ready: Numbers, interval_s: float) -> float:
    lengths_s = np.where(_is_gap(times_s, interval_s), 0.0, np.diff(times_s))
    return float(lengths_s[ready[:-1] == 0].sum())


def _each_replica(replicas: pa.Table) -> tuple[ReplicaSummary, ...]:
    connections = shares(replicas, "connections")
    requests, shed = shares(replicas, "requests"), shares(replicas, "shed")
    found = []
    for name, rows in _rows_by_replica(replicas).items():
        share = connections.get(name) or requests.get(name)
        restarts = _column(replicas, "restarts")[rows]
        peaks = [*_column(replicas, "memory_bytes")[rows], *_column(replicas, "memory_peak_bytes")[rows]]
        found.append(
            ReplicaSummary(
                replica=name,
                connections=None if share is None else share.taken,
                connections_expected=None if share is None else share.expected,
                requests=requests[name].taken if name in requests else None,
                shed=shed[name].taken if name in shed else None,
                queue_depth_peak=_peak(_column(replicas, "queue_depth")[rows]),
                restarts=int(restarts.max() - restarts[0]),
                memory_peak_bytes=int(np.nanmax(peaks)),
                throttled_fraction=_throttled_fraction(replicas, [rows]),
            )
        )
    return tuple(found)


def _peak(values: Numbers) -> int | None:
    known = values[~np.isnan(values)]
    return int(known.max()) if len(known) else None


def step_mean(times_s: Numbers, values: Numbers, interval_s: float) -> float:
    """Return the mean of a step function over time, without its gaps.

    Each value holds from its own time to the next; the last one ends the function and weighs nothing. Where
    no interval is left (one sample, or gaps only) it is the plain mean of the values.

    Args:
        times_s: Rising; one or more.
        values: One a time.
        interval_s: What was asked for between two times.
    """
    weights = np.where(_is_gap(times_s, interval_s), 0.0, np.diff(times_s))
    if not weights.sum() > 0:
        return float(values.mean())
    return float(np.average(values[:-1], weights=weights))


def _is_gap(times_s: Numbers, interval_s: float) -> npt.NDArray[np.bool_]:
    return np.diff(times_s) > GAP_FACTOR * interval_s


def _cpu_mean(replicas: pa.Table, times_s: Numbers) -> float:
    duration_s = float(times_s[-1] - times_s[0])
    if not duration_s > 0:
        return 0.0
    used_s = 0.0
    for rows in _rows_by_replica(replicas).values():
        cores = _column(replicas, "cpu_cores")[rows]
        # A rate belongs to the interval before its sample; a replica's first sample has none.
        intervals_s = np.diff(_column(replicas, "time_s")[rows])
        used_s += float(np.nansum(cores[1:] * intervals_s))
    return used_s / duration_s


def _throttled_fraction(replicas: pa.Table, each: Iterable[npt.NDArray[np.intp]]) -> float | None:
    throttled_s = watched_s = 0.0
    for rows in each:
        held_back_s = np.diff(_column(replicas, "throttled_s")[rows])
        # The counter goes back where the replica was started again: that interval says nothing.
        known = held_back_s >= 0
        throttled_s += float(held_back_s[known].sum())
        watched_s += float(np.diff(_column(replicas, "time_s")[rows])[known].sum())
    if not watched_s > 0:
        return None
    # A kernel sums over cores, so a replica held back on two at once would count twice.
    return min(1.0, throttled_s / watched_s)


def _rows_by_replica(replicas: pa.Table) -> dict[str, npt.NDArray[np.intp]]:
    names = np.asarray(replicas["replica"].to_pylist())
    order = np.argsort(_column(replicas, "time_s"), kind="stable")
    return {str(name): order[names[order] == name] for name in np.unique(names)}


def _column(table: pa.Table, name: str) -> Numbers:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
