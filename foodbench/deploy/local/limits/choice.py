"""Finds the limiter that works here."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from foodbench.deploy.local.limits.base import GROUP_PREFIX, Limiter, LimiterUnavailable, Limits, group_name
from foodbench.deploy.local.limits.cgroup_v1 import CgroupV1Limit, CgroupV1Limiter, find_parents
from foodbench.deploy.local.limits.cgroup_v2 import CgroupV2Limit, CgroupV2Limiter, find_parent
from foodbench.deploy.local.limits.duty_cycle import DutyCycleLimiter
from foodbench.deploy.local.limits.files import remove_group
from foodbench.deploy.local.limits.membership import read_membership
from foodbench.errors import MachineError, RunFailed
from foodbench.process import run
from foodbench.records.deployments import CpuLimiter

__all__ = ["LAUNCHER", "choose_limiter", "remove_leftover_groups", "throttled_s_of"]

LAUNCHER = Path(__file__).parents[1] / "launch.py"


def choose_limiter(wanted: CpuLimiter | None = None) -> tuple[Limiter, str]:
    """Return the first limiter that works when tried, and why those before it do not.

    Args:
        wanted: Only this one will do.

    Raises:
        MachineError: The wanted one does not work here.
    """
    makers: dict[CpuLimiter, Callable[[], Limiter]] = {
        "cgroup-v2": _cgroup_v2,
        "cgroup-v1": _cgroup_v1,
        "duty-cycle": DutyCycleLimiter,
    }
    reasons: list[str] = []
    for name, make in makers.items():
        if wanted is not None and name != wanted:
            continue
        try:
            return make(), "; ".join(reasons)
        except LimiterUnavailable as error:
            reasons.append(f"{name}: {error.problem}")
    raise MachineError(
        f"CPU cannot be limited by {wanted}: {'; '.join(reasons) or 'it is not supported'}",
        f"Choose one of {', '.join(makers)}",
    )


def _cgroup_v2() -> Limiter:
    limiter = CgroupV2Limiter(find_parent(read_membership()))
    _try(limiter)
    return limiter


def _cgroup_v1() -> Limiter:
    limiter = CgroupV1Limiter(*find_parents(read_membership()))
    _try(limiter)
    return limiter


def _try(limiter: Limiter) -> None:
    """Run a program that does nothing under limits.

    Raises:
        LimiterUnavailable: They cannot be set, or a process cannot join.
    """
    limit = limiter.limit(group_name("trial", secrets.token_hex(4)), Limits(cpu_cores=1, memory_bytes=2**28))
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid())]
    nothing = [sys.executable, "-I", "-S", "-c", ""]
    try:
        run([*launcher, *limit.launch_options, "--", *nothing], timeout_s=20)
    except (MachineError, RunFailed) as error:
        raise LimiterUnavailable(error.problem) from error
    finally:
        limit.release()


def throttled_s_of(pid: int) -> float | None:
    """Return how long a replica was held back, found by the group it is in; None where it is in none of ours."""
    membership = read_membership(pid)
    cpu = membership.v1.get("cpu")
    if cpu is not None and cpu[1].name.startswith(GROUP_PREFIX):
        return CgroupV1Limit(cpu[1], None).throttled_s()
    if membership.unified is not None and membership.unified[1].name.startswith(GROUP_PREFIX):
        return CgroupV2Limit(membership.unified[1], memory_enforced=False).throttled_s()
    return None


def remove_leftover_groups(deployment_id: str) -> None:
    """Remove the groups of a deployment whose supervisor could not do it. Their processes must be gone."""
    membership = read_membership()
    mounts = {mount for mount, _ in membership.v1.values()}
    if membership.unified is not None:
        mounts.add(membership.unified[0])
    for mount in mounts:
        with contextlib.suppress(OSError):
            for path in tuple(mount.rglob(f"{group_name(deployment_id, '*')}")):
                remove_group(path)
