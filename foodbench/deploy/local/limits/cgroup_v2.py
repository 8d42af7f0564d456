"""CPU and memory limits by cgroup v2."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from foodbench.deploy.local.limits.base import PERIOD_S, LimiterUnavailable, Limits
from foodbench.deploy.local.limits.files import make_group, read_counter, read_number, remove_group, write_value
from foodbench.deploy.local.limits.membership import Membership

__all__ = ["CgroupV2Limiter", "find_parent"]


class CgroupV2Limiter:
    """Makes one group per replica.

    Args:
        parent: A group whose children have the cpu controller.
    """

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    @property
    def name(self) -> Literal["cgroup-v2"]:
        """What the records call it."""
        return "cgroup-v2"

    def limit(self, group: str, limits: Limits) -> CgroupV2Limit:
        """Make the group of one replica, with its limits set."""
        path = self._parent / group
        make_group(path)
        try:
            period_us = round(PERIOD_S * 1e6)
            write_value(path / "cpu.max", f"{round(limits.cpu_cores * period_us)} {period_us}")
            has_memory = (path / "memory.max").exists()
            if has_memory:
                write_value(path / "memory.max", limits.memory_bytes)
                if (path / "memory.swap.max").exists():
                    write_value(path / "memory.swap.max", 0)
        except LimiterUnavailable:
            remove_group(path)
            raise
        return CgroupV2Limit(path, memory_enforced=has_memory)


class CgroupV2Limit:
    """The group of one replica."""

    def __init__(self, path: Path, *, memory_enforced: bool) -> None:
        self._path = path
        self._memory_enforced = memory_enforced

    @property
    def launch_options(self) -> tuple[str, ...]:
        """Options for ``launch.py``."""
        return ("--join", str(self._path / "cgroup.procs"))

    @property
    def memory_enforced(self) -> bool:
        """Whether the parent hands down the memory controller as well."""
        return self._memory_enforced

    def started(self, pid: int) -> None:
        """Do nothing: the process joined by itself."""

    def throttled_s(self) -> float | None:
        """Return the time its threads were held back, over all cores."""
        throttled_us = read_counter(self._path / "cpu.stat", "throttled_usec")
        return None if throttled_us is None else throttled_us / 1e6

    def oom_kills(self) -> int:
        """Return how many of its processes the kernel ended for exceeding the memory limit."""
        return read_counter(self._path / "memory.events", "oom_kill") or 0

    def peak_memory_bytes(self) -> int | None:
        """Return the most memory it has used; kernels before 5.19 do not say."""
        return read_number(self._path / "memory.peak")

    def release(self) -> None:
        """Remove the group."""
        remove_group(self._path)


def find_parent(membership: Membership) -> Path:
    """Return the nearest group above this process whose children have the cpu controller.

    Nearest, so that whatever limits this process keeps limiting the replicas too. A group that itself
    holds processes can hand down no controller, so it is usually the one above.

    Raises:
        LimiterUnavailable: There is none.
    """
    if membership.unified is None:
        raise LimiterUnavailable("cgroup v2 is not mounted")
    mount, folder = membership.unified
    for group in (folder, *folder.parents):
        if not group.is_relative_to(mount):
            break
        try:
            handed_down = (group / "cgroup.subtree_control").read_text().split()
        except OSError:
            continue
        if "cpu" in handed_down:
            return group
    raise LimiterUnavailable("no group above this process hands down the cpu controller")
