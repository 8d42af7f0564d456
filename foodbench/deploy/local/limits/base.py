"""What every limiter can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from foodbench.errors import MachineError
from foodbench.records.deployments import CpuLimiter

__all__ = ["GROUP_PREFIX", "PERIOD_S", "Limiter", "LimiterUnavailable", "Limits", "ReplicaLimit", "group_name"]

GROUP_PREFIX = "foodbench-"

PERIOD_S = 0.1
"""Period over which CPU time is limited: the kernel's default, and Kubernetes'."""


@dataclass(frozen=True)
class Limits:
    """What one replica may use."""

    cpu_cores: float
    memory_bytes: int


class LimiterUnavailable(MachineError):
    """This machine, or this user, cannot limit a process in this way; says why."""


class ReplicaLimit(Protocol):
    """The limits of one replica. Made before its process is started."""

    @property
    def launch_options(self) -> tuple[str, ...]:
        """Options for ``launch.py``, so that the limits hold before the replica runs anything."""

    @property
    def memory_enforced(self) -> bool:
        """Whether the memory limit is enforced as well; otherwise it has to be watched."""

    def started(self, pid: int) -> None:
        """Take over the process, once it is started."""

    def throttled_s(self) -> float | None:
        """Return how long the CPU limit held it back so far, or None where it cannot be read."""

    def oom_kills(self) -> int:
        """Return how many of its processes were ended for exceeding the memory limit."""

    def peak_memory_bytes(self) -> int | None:
        """Return the most memory it has used, or None where it cannot be read."""

    def release(self) -> None:
        """Remove what was made for it. Its processes must be gone."""


class Limiter(Protocol):
    """One way to limit replicas."""

    @property
    def name(self) -> CpuLimiter:
        """What the records call it."""

    def limit(self, group: str, limits: Limits) -> ReplicaLimit:
        """Prepare the limits of one process start. ``group`` is unique to it.

        Raises:
            LimiterUnavailable: It cannot be done.
        """


def group_name(deployment_id: str, replica: str) -> str:
    """Return the name of a replica's cgroup."""
    return f"{GROUP_PREFIX}{deployment_id}-{replica}"
