"""CPU and memory limits of replicas, enforced with whatever this machine offers.

cgroup-v2    the kernel's quota; the group's parent must hand down its cpu controller
cgroup-v1    the same, in the older hierarchies
duty-cycle   the replica is stopped and continued by the CPU time it was seen to use; needs no rights

Which one works is found by trying. (A systemd user scope would need a session bus; it is not tried.)
"""

from __future__ import annotations

from foodbench.deploy.local.limits.base import Limiter, LimiterUnavailable, Limits, ReplicaLimit
from foodbench.deploy.local.limits.choice import choose_limiter, remove_leftover_groups, throttled_s_of

__all__ = [
    "Limiter",
    "LimiterUnavailable",
    "Limits",
    "ReplicaLimit",
    "choose_limiter",
    "remove_leftover_groups",
    "throttled_s_of",
]
