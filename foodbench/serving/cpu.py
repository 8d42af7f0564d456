"""The CPU that this process may really use: its cgroup's quota (v2 and v1) and its affinity.

A pod's host may have 64 cores where the pod is limited to one. Threads sized by the host's cores
are then throttled together, in the middle of their work.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["AvailableCpu", "available_cpu", "quota_cores", "worker_count"]


@dataclass(frozen=True)
class AvailableCpu:
    """What this process may use."""

    affinity_cores: int
    """Cores the scheduler may place it on."""
    quota_cores: float | None
    """The tightest quota of its cgroup and those above it; None where there is none."""

    @property
    def cores(self) -> float:
        """The smaller of both."""
        return float(self.affinity_cores) if self.quota_cores is None else min(self.affinity_cores, self.quota_cores)


def available_cpu(root: Path = Path("/")) -> AvailableCpu:
    """Return the CPU that this process may use.

    Args:
        root: Where /proc and /sys are found; another one in tests.
    """
    return AvailableCpu(affinity_cores=len(os.sched_getaffinity(0)), quota_cores=quota_cores(root))


def worker_count(cores: float) -> int:
    """Return how many single-threaded workers use ``cores`` in full.

    Rounded up: one worker on 1.5 cores would leave a third of them unused, whereas two are merely
    throttled for part of each period.
    """
    return max(1, math.ceil(cores))


def quota_cores(root: Path = Path("/")) -> float | None:
    """Return the tightest CPU quota above this process, in cores; None where there is none.

    Unreadable files count as no quota: a container may hide its cgroup.
    """
    found = [quota for folder in _cgroup_folders(root) if (quota := _quota_of(folder)) is not None]
    return min(found, default=None)


def _cgroup_folders(root: Path) -> Iterator[Path]:
    """Yield the folders of this process' cgroups that can carry a CPU quota, and of those above them."""
    memberships = dict(_memberships(_lines(root / "proc/self/cgroup")))
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, options = after.split(" ")[0], set(after.split(" ")[-1].split(","))
        if kind == "cgroup2":
            membership = memberships.get("")
        elif kind == "cgroup" and "cpu" in options:
            membership = memberships.get("cpu")
        else:
            continue
        if membership is not None:
            mounted_root, mount_point = before.split(" ")[3:5]
            yield from _up_to_mount(root, membership, mounted_root, mount_point)


def _memberships(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield controller (empty for v2) and path from /proc/self/cgroup."""
    for line in lines:
        _hierarchy, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _up_to_mount(root: Path, membership: str, mounted_root: str, mount_point: str) -> Iterator[Path]:
    top = root / mount_point.lstrip("/")
    path = PurePosixPath(membership)
    # Without a cgroup namespace a container sees the host's path, and its own part of it mounted.
    relative = path.relative_to(mounted_root) if path.is_relative_to(mounted_root) else PurePosixPath()
    yield top
    for depth in range(len(parts := [part for part in relative.parts if part != "/"])):
        yield top.joinpath(*parts[: depth + 1])


def _quota_of(folder: Path) -> float | None:
    try:
        if lines := _lines(folder / "cpu.max"):
            quota, period = lines[0].split()
            return None if quota == "max" else _positive(float(quota) / float(period))
        quotas, periods = _lines(folder / "cpu.cfs_quota_us"), _lines(folder / "cpu.cfs_period_us")
        return _positive(float(quotas[0]) / float(periods[0])) if quotas and periods else None
    except (ValueError, ZeroDivisionError):
        return None


def _positive(cores: float) -> float | None:
    """Return ``cores``, or None for v1's -1, which means no quota."""
    return cores if cores > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
