"""Finds, identifies and ends processes that belong to a deployment.

Every process of a deployment carries its marks in its environment, so that it is found even if its
pid was never written down. A pid alone says nothing: it is believed only with its creation time.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

__all__ = [
    "DEPLOYMENT_MARK",
    "DIRECTORY_MARK",
    "PART_MARK",
    "SUPERVISOR",
    "descendants",
    "end_all",
    "is_alive",
    "marked",
    "marked_deployments",
    "marks",
    "orphans_within",
    "peak_bytes",
    "tree_usage",
]

DEPLOYMENT_MARK = "FOODBENCH_DEPLOYMENT"
DIRECTORY_MARK = "FOODBENCH_DEPLOYMENT_DIRECTORY"
PART_MARK = "FOODBENCH_PART"
SUPERVISOR = "supervisor"

SAME_START_S = 2.0
"""Creation times of one process may be read this far apart when the clock is corrected meanwhile."""


def marks(directory: Path, part: str) -> dict[str, str]:
    """Return the environment variables that mark one part (a replica, say) of the deployment in ``directory``."""
    return {DEPLOYMENT_MARK: directory.name, DIRECTORY_MARK: str(directory), PART_MARK: part}


def is_alive(pid: int, started_at: float) -> bool:
    """Say whether the process of that pid and creation time lives. A zombie does not."""
    process = _process(pid)
    if process is None:
        return False
    with contextlib.suppress(psutil.Error):
        return abs(process.create_time() - started_at) < SAME_START_S and process.status() != psutil.STATUS_ZOMBIE
    return False


def marked(wanted: dict[str, str]) -> tuple[psutil.Process, ...]:
    """Return all living processes, except this one, that carry all of these marks."""
    return tuple(process for process, found in _environments() if wanted.items() <= found.items())


def marked_deployments() -> tuple[str, ...]:
    """Return the ids of all deployments that have a living process on this machine."""
    return tuple(sorted({found[DEPLOYMENT_MARK] for _, found in _environments() if DEPLOYMENT_MARK in found}))


def orphans_within(root: Path) -> dict[str, tuple[psutil.Process, ...]]:
    """Return, by deployment, the living processes of deployments in the folder ``root`` that have no supervisor."""
    found: dict[str, list[psutil.Process]] = {}
    supervised = set()
    for process, environment in _environments():
        directory = Path(environment.get(DIRECTORY_MARK, ""))
        if directory.parent != root:
            continue
        if environment.get(PART_MARK) == SUPERVISOR:
            supervised.add(directory.name)
        found.setdefault(directory.name, []).append(process)
    return {name: tuple(processes) for name, processes in found.items() if name not in supervised}


def _environments() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        # Others' processes cannot be read, and are none of ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process, process.environ()


def end_all(processes: Iterable[psutil.Process], *, grace_s: float) -> None:
    """Ask processes to end, and end those that have not after ``grace_s``. Returns when all are gone."""
    ours = tuple(processes)
    if grace_s > 0:
        for process in ours:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        _wait_gone(ours, grace_s)
    for process in ours:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _wait_gone(ours, timeout_s=10)


def _wait_gone(processes: tuple[psutil.Process, ...], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(_lives(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def descendants(pid: int) -> tuple[psutil.Process, ...]:
    """Return a process and all its descendants; nothing where it is gone."""
    process = _process(pid)
    if process is None:
        return ()
    with contextlib.suppress(psutil.Error):
        children = [] if _has_no_children(pid) else process.children(recursive=True)
        return (process, *children)
    return ()


def _has_no_children(pid: int) -> bool:
    """Say whether Linux knows at once that there are none: the long way reads the whole process table."""
    try:
        return not any((task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False


def tree_usage(processes: Iterable[psutil.Process]) -> tuple[int, float]:
    """Return resident memory in bytes and CPU time in seconds of processes and of their children that ended."""
    memory_bytes, cpu_s = 0, 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error), process.oneshot():
            memory_bytes += process.memory_info().rss
            cpu_s += sum(process.cpu_times()[:4])
    return memory_bytes, cpu_s


def peak_bytes(processes: Iterable[psutil.Process]) -> int | None:
    """Return the most resident memory that processes have had since they started, or None where none can be read."""
    peaks = []
    for process in processes:
        with contextlib.suppress(OSError, ValueError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peaks += [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
    return sum(peaks) if peaks else None


def _process(pid: int) -> psutil.Process | None:
    if pid <= 0:
        return None
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None
