"""What commands print: results to standard output, progress and remarks to standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from foodbench.progress import Progress as ProgressListener
from foodbench.progress import Silent

__all__ = ["output", "print_json", "remarks", "showing_progress"]

PLAIN_INTERVAL_S = 10.0
"""At most one plain line of progress in this time."""


def output() -> Console:
    """Return the console of results. Where it is no terminal, tables keep a width that nothing wraps at."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120, soft_wrap=False)


def remarks() -> Console:
    """Return the console of progress, remarks and errors."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print ``value`` as JSON, unstyled and unwrapped."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def showing_progress(*, quiet: bool) -> Iterator[ProgressListener]:
    """Give a listener that shows progress as a bar in a terminal, as plain lines elsewhere, or not at all."""
    console = remarks()
    if quiet:
        yield Silent()
    elif console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        ) as bars:
            yield _Bars(bars)
    else:
        yield _Lines(console)


class _Bars:
    """One bar, for the work under way; work that is done leaves one line."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._description = ""
        self._began_s = time.monotonic()

    def step(self, description: str, done: float, total: float) -> None:
        if description != self._description:
            self._begin(description, total)
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total)
        if done >= total:
            self._end()

    def say(self, line: str) -> None:
        self._bars.console.print(line, markup=False)

    def _begin(self, description: str, total: float) -> None:
        self._end()
        self._description = description
        self._began_s = time.monotonic()
        self._task = self._bars.add_task(description, total=total)

    def _end(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
            self.say(f"{self._description}: {time.monotonic() - self._began_s:.1f} s")


class _Lines:
    """Plain lines, few enough for a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._description = ""
        self._finished = ""
        self._next_at_s = 0.0

    def step(self, description: str, done: float, total: float) -> None:
        if description == self._finished:
            return
        new = description != self._description
        if new or time.monotonic() >= self._next_at_s or done >= total:
            self._description = description
            self._finished = description if done >= total else ""
            self._next_at_s = time.monotonic() + PLAIN_INTERVAL_S
            share = 100 * done / total if total else 0
            self._console.print(f"{description}: {share:.0f} %", markup=False)

    def say(self, line: str) -> None:
        self._console.print(line, markup=False)
