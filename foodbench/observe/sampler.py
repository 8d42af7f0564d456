"""A thread that reads a deployment's usage at a steady pace, and writes each reading down at once."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from foodbench.errors import RunFailed
from foodbench.observe.counters import CountersReader
from foodbench.observe.rates import Reading, cpu_cores, next_turn
from foodbench.observe.source import UsageSource
from foodbench.records.traces import DEPLOYMENT_COLUMNS, REPLICA_COLUMNS, ServiceCounters
from foodbench.streams import StreamWriter

__all__ = ["COUNTS_FILE", "REPLICAS_FILE", "watching"]

REPLICAS_FILE = "replicas.arrows"
COUNTS_FILE = "replica_counts.arrows"

COUNTERS_EVERY = 5
"""The services are asked for their counters once in so many samples: an answer costs about a millisecond of theirs."""

LONGEST_READING_S = 30.0
"""A source that does not answer for so long at the end is given up."""


@contextlib.contextmanager
def watching(source: UsageSource, directory: Path, interval_s: float = 1.0) -> Iterator[None]:
    """Sample ``source`` while the block runs, from its first moment to its last.

    Each sample is on disk as soon as it is taken, with the time at which it was really taken. A sample that
    comes late is late in the stream too, and the turns it missed are left out: a gap stays a gap.

    Args:
        source: What to read.
        directory: Receives ``replicas.arrows`` and ``replica_counts.arrows``; neither may be there yet.
        interval_s: Between the beginnings of two samples, above 0.

    Raises:
        ValueError: ``interval_s`` is not above 0.
        RunFailed: The source did not answer at the end.
        Exception: Whatever reading the source or writing a sample raised, once the block has ended. If the
            block itself raised, that goes first and carries a note of it.
    """
    if not interval_s > 0:
        raise ValueError(f"interval_s must be above 0. Received: {interval_s}")
    sampler = _Sampler(source, directory, interval_s)
    sampler.start()
    try:
        yield
    except BaseException as error:
        failure = sampler.finish()
        if failure is not None:
            error.add_note(f"Meanwhile the sampler failed: {failure!r}")
        raise
    failure = sampler.finish()
    if failure is not None:
        raise failure


class _Sampler:
    def __init__(self, source: UsageSource, directory: Path, interval_s: float) -> None:
        self._source = source
        self._directory = directory
        self._interval_s = interval_s
        self._counters = CountersReader(source, COUNTERS_EVERY * interval_s)
        self._ending = threading.Event()
        self._failure: Exception | None = None
        # A source that hangs must not keep the whole program from ending.
        self._thread = threading.Thread(target=self._run, name="foodbench-sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> Exception | None:
        """Take a last sample, end the thread, and return what made it fail, if anything did."""
        self._ending.set()
        self._thread.join(LONGEST_READING_S)
        if self._thread.is_alive():
            return RunFailed(f"reading the replicas' usage did not end within {LONGEST_READING_S:g} s")
        return self._failure

    def _run(self) -> None:
        try:
            with (
                StreamWriter(self._directory / REPLICAS_FILE, REPLICA_COLUMNS) as replicas,
                StreamWriter(self._directory / COUNTS_FILE, DEPLOYMENT_COLUMNS) as counts,
            ):
                self._sample_until_ending(replicas, counts)
        except Exception as error:  # noqa: BLE001 - handed to the thread that started this one, which raises it
            self._failure = error

    def _sample_until_ending(self, replicas: StreamWriter, counts: StreamWriter) -> None:
        # Samples are dated by the monotonic clock, set once: a corrected wall clock must not bend intervals.
        epoch_offset_s = time.time() - time.monotonic()
        due_s = time.monotonic()
        readings: dict[str, Reading] = {}
        is_last = False
        self._counters.start()
        while not is_last:
            is_last = self._ending.wait(max(0.0, due_s - time.monotonic()))
            if is_last:
                self._counters.finish()
            readings = self._sample(replicas, counts, readings, epoch_offset_s)
            due_s = next_turn(due_s, time.monotonic(), self._interval_s)

    def _sample(
        self, replicas: StreamWriter, counts: StreamWriter, before: dict[str, Reading], epoch_offset_s: float
    ) -> dict[str, Reading]:
        began_s = time.monotonic()
        usages = self._source.usage()
        # Halfway: each replica was read at some moment in between.
        time_s = epoch_offset_s + (began_s + time.monotonic()) / 2
        ready, desired = self._source.replica_counts()
        readings = {usage.replica: Reading(time_s, usage) for usage in usages}
        counters = self._counters.take()
        for name, reading in readings.items():
            replicas.add(_row(reading, cpu_cores(reading, before.get(name)), counters.get(name)))
        counts.add({"time_s": time_s, "ready_replicas": ready, "desired_replicas": desired})
        replicas.flush()
        counts.flush()
        return readings


def _row(reading: Reading, cores: float, counters: ServiceCounters | None) -> dict[str, float | int | str | bool]:
    usage = reading.usage
    service: dict[str, int | None] = {} if counters is None else counters.model_dump()
    return {
        "time_s": reading.time_s,
        "replica": usage.replica,
        "memory_bytes": usage.memory_bytes,
        "cpu_cores": cores,
        "throttled_s": _or_nan(usage.throttled_s),
        "ready": usage.ready,
        "memory_peak_bytes": _or_nan(usage.memory_peak_bytes),
        "restarts": usage.restarts,
        "connections": _or_nan(service.get("connections")),
        "requests": _or_nan(service.get("requests")),
        "shed": _or_nan(service.get("shed")),
        "queue_depth": _or_nan(service.get("queue_depth")),
    }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
