"""A CPU limit without any rights: the replica is stopped when it has used its share, and continued later."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import Literal

import psutil

from foodbench.deploy.local.limits.base import PERIOD_S, Limits

__all__ = ["Allowance", "DutyCycleLimit", "DutyCycleLimiter"]

STEP_S = 0.02
"""Between two looks: five a period, each about 30 microseconds of CPU."""

CHILDREN_EVERY_S = 1.0
"""Looking for a replica's children reads the whole process table."""


class Allowance:
    """How much CPU time a replica may still use: its share of the time that passes, kept for one period at most.

    Args:
        cpu_cores: The share.
        now_s: Time at which it begins.
    """

    def __init__(self, cpu_cores: float, now_s: float) -> None:
        self._cpu_cores = cpu_cores
        self._now_s = now_s
        self._used_s = 0.0
        self._left_s = cpu_cores * PERIOD_S

    def update(self, now_s: float, used_s: float) -> bool:
        """Say whether it may run now.

        Args:
            now_s: Time now.
            used_s: CPU time it has used since it began. What it used beyond its share is owed.
        """
        earned_s = (now_s - self._now_s) * self._cpu_cores
        spent_s = max(0.0, used_s - self._used_s)
        self._left_s = min(self._left_s + earned_s, self._cpu_cores * PERIOD_S) - spent_s
        self._now_s, self._used_s = now_s, max(used_s, self._used_s)
        return self._left_s > 0


class DutyCycleLimiter:
    """Limits each replica from a thread of its own."""

    @property
    def name(self) -> Literal["duty-cycle"]:
        """What the records call it."""
        return "duty-cycle"

    def limit(self, group: str, limits: Limits) -> DutyCycleLimit:  # noqa: ARG002
        """Prepare the limit of one replica; there is nothing to make that would need a name."""
        return DutyCycleLimit(limits)


class DutyCycleLimit:
    """Stops and continues one replica's process group."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._released = threading.Event()
        self._throttled_s = 0.0
        self._thread: threading.Thread | None = None

    @property
    def launch_options(self) -> tuple[str, ...]:
        """The replica waits, stopped, until the thread looks after it."""
        return ("--stopped",)

    @property
    def memory_enforced(self) -> bool:
        """No."""
        return False

    def started(self, pid: int) -> None:
        """Look after the process from now on."""
        self._thread = threading.Thread(target=self._run, args=(pid,), name=f"duty-cycle-{pid}", daemon=True)
        self._thread.start()

    def throttled_s(self) -> float | None:
        """Return how long it was stopped."""
        return self._throttled_s

    def oom_kills(self) -> int:
        """None: memory is not limited here."""
        return 0

    def peak_memory_bytes(self) -> int | None:
        """Unknown."""
        return None

    def release(self) -> None:
        """Stop looking after it."""
        self._released.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    def _run(self, pid: int) -> None:
        clock = _TreeClock(pid)
        allowance = Allowance(self._limits.cpu_cores, time.monotonic())
        # It may not have stopped itself yet; a process that is not stopped ignores SIGCONT, so this is repeated.
        running = False
        last_s = time.monotonic()
        while not self._released.wait(STEP_S):
            now_s = time.monotonic()
            used_s = clock.cpu_s(now_s)
            if used_s is None:
                return
            if not running:
                self._throttled_s += now_s - last_s
            last_s = now_s
            running = allowance.update(now_s, used_s)
            _signal_group(pid, signal.SIGCONT if running else signal.SIGSTOP)
        _signal_group(pid, signal.SIGCONT)


class _TreeClock:
    """Reads the CPU time of a process and its descendants, at little cost."""

    def __init__(self, pid: int) -> None:
        self._root: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):
            self._root = psutil.Process(pid)
        self._children: tuple[psutil.Process, ...] = ()
        self._looked_at_s = float("-inf")

    def cpu_s(self, now_s: float) -> float | None:
        """Return the CPU time used so far, or None once the process is gone."""
        if self._root is None:
            return None
        try:
            if now_s - self._looked_at_s >= CHILDREN_EVERY_S:
                if self._root.status() == psutil.STATUS_ZOMBIE:
                    return None
                self._children = tuple(self._root.children(recursive=True))
                self._looked_at_s = now_s
            total_s = sum(self._root.cpu_times()[:4])
        except psutil.Error:
            return None
        for child in self._children:
            with contextlib.suppress(psutil.Error):
                total_s += sum(child.cpu_times()[:4])
        return total_s


def _signal_group(pid: int, number: signal.Signals) -> None:
    # The process leads a group of its own and is our child: its pid cannot have become another's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
