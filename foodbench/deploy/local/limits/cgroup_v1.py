"""CPU and memory limits by cgroup v1."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from foodbench.deploy.local.limits.base import PERIOD_S, LimiterUnavailable, Limits
from foodbench.deploy.local.limits.files import make_group, read_counter, read_number, remove_group, write_value
from foodbench.deploy.local.limits.membership import Membership

__all__ = ["CgroupV1Limiter", "find_parents"]


class CgroupV1Limiter:
    """Makes one group per replica and hierarchy.

    Args:
        cpu_parent: A group of the cpu hierarchy.
        memory_parent: A group of the memory hierarchy; None leaves memory alone.
    """

    def __init__(self, cpu_parent: Path, memory_parent: Path | None) -> None:
        self._cpu_parent = cpu_parent
        self._memory_parent = memory_parent

    @property
    def name(self) -> Literal["cgroup-v1"]:
        """What the records call it."""
        return "cgroup-v1"

    def limit(self, group: str, limits: Limits) -> CgroupV1Limit:
        """Make the groups of one replica, with their limits set."""
        cpu = self._cpu_parent / group
        memory = None if self._memory_parent is None else self._memory_parent / group
        made = CgroupV1Limit(cpu, memory)
        try:
            make_group(cpu)
            period_us = round(PERIOD_S * 1e6)
            write_value(cpu / "cpu.cfs_period_us", period_us)
            write_value(cpu / "cpu.cfs_quota_us", round(limits.cpu_cores * period_us))
            if memory is not None:
                make_group(memory)
                write_value(memory / "memory.limit_in_bytes", limits.memory_bytes)
        except LimiterUnavailable:
            made.release()
            raise
        return made


class CgroupV1Limit:
    """The groups of one replica."""

    def __init__(self, cpu: Path, memory: Path | None) -> None:
        self._cpu = cpu
        self._memory = memory

    @property
    def launch_options(self) -> tuple[str, ...]:
        """Options for ``launch.py``."""
        groups = [self._cpu] if self._memory is None else [self._cpu, self._memory]
        return tuple(word for group in groups for word in ("--join", str(group / "cgroup.procs")))

    @property
    def memory_enforced(self) -> bool:
        """Whether there is a memory group."""
        return self._memory is not None

    def started(self, pid: int) -> None:
        """Do nothing: the process joined by itself."""

    def throttled_s(self) -> float | None:
        """Return the time its threads were held back, over all cores."""
        throttled_ns = read_counter(self._cpu / "cpu.stat", "throttled_time")
        return None if throttled_ns is None else throttled_ns / 1e9

    def oom_kills(self) -> int:
        """Return how many of its processes the kernel ended for exceeding the memory limit."""
        return 0 if self._memory is None else read_counter(self._memory / "memory.oom_control", "oom_kill") or 0

    def peak_memory_bytes(self) -> int | None:
        """Return the most memory it has used."""
        return None if self._memory is None else read_number(self._memory / "memory.max_usage_in_bytes")

    def release(self) -> None:
        """Remove the groups."""
        remove_group(self._cpu)
        if self._memory is not None:
            remove_group(self._memory)


def find_parents(membership: Membership) -> tuple[Path, Path | None]:
    """Return where to make groups: below this process' own, so that whatever limits it keeps limiting the replicas.

    A memory group that something else put this process in (a container engine, a batch system) is
    left alone: its owner counts and ends what is in it by itself. Memory is watched then.

    Raises:
        LimiterUnavailable: The cpu controller is not a v1 hierarchy.
    """
    cpu = membership.v1.get("cpu")
    if cpu is None:
        raise LimiterUnavailable("there is no cgroup v1 cpu hierarchy")
    memory = membership.v1.get("memory")
    own_memory = memory[1] if memory is not None and memory[0] == memory[1] else None
    return cpu[1], own_memory
