"""A thread that asks the services for their counters, so that a slow answer holds up no other sample."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from foodbench.observe.source import UsageSource
from foodbench.records.traces import ServiceCounters

__all__ = ["CountersReader"]

LONGEST_READING_S = 10.0
"""A reading under way at the end is waited for no longer."""


class CountersReader:
    """Reads a source's counters at a slower pace than its usage, which costs the services less.

    Args:
        source: What to read.
        interval_s: Between two readings.
    """

    def __init__(self, source: UsageSource, interval_s: float) -> None:
        self._source = source
        self._interval_s = interval_s
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._fresh: Mapping[str, ServiceCounters] = {}
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="foodbench-counters", daemon=True)

    def start(self) -> None:
        """Begin with a first reading."""
        self._thread.start()

    def finish(self) -> None:
        """End after a last reading, which ``take`` then returns."""
        self._ending.set()
        self._thread.join(LONGEST_READING_S)

    def take(self) -> Mapping[str, ServiceCounters]:
        """Return what was read since the last call, by replica; nothing where that is nothing.

        Raises:
            Exception: Whatever reading the source raised.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            fresh, self._fresh = self._fresh, {}
            return fresh

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._ending.is_set()
            try:
                counters = self._source.service_counters()
            except Exception as error:  # noqa: BLE001 - handed to whoever takes the next reading
                with self._lock:
                    self._failure = error
                return
            with self._lock:
                self._fresh = counters
            if not is_last:
                self._ending.wait(self._interval_s)
