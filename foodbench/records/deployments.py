"""A deployed variant: what was asked for, what is there, what happened to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from foodbench.records.base import Record
from foodbench.records.experiments import TargetName, Variant

__all__ = [
    "Capacity",
    "ClusterPlace",
    "CpuLimiter",
    "Deployment",
    "DeploymentEvent",
    "DeploymentState",
    "LoadBalancer",
    "ProbeFailure",
    "ReplicaState",
    "ScalingDecision",
]

CpuLimiter = Literal["cgroup-v2", "cgroup-v1", "systemd-scope", "duty-cycle", "kubelet"]
LoadBalancer = Literal["haproxy", "built-in", "kube-proxy", "port-forward"]
ProbeFailure = Literal["timeout", "connection-refused", "http-status", "other"]
"""Why a probe failed: no answer in time, nobody listened, an answer that says no, or something else."""


class ClusterPlace(Record):
    """Where on which cluster a deployment is, and what its pods run."""

    context: str
    """Of the kubeconfig."""
    namespace: str
    image: str
    """As the nodes know it."""


class Capacity(Record):
    """The CPU that replicas can have."""

    cores: float | None
    """None where it cannot be known."""
    shared_with_generator: bool
    """Whether the load generator and the load balancer take theirs from the same cores."""


class Deployment(Record):
    """The intent: written before the first process is started."""

    id: str
    variant: Variant
    bundle_digest: str
    model_digest: str
    target: TargetName = "local"
    cluster: ClusterPlace | None = None
    """Of target kubernetes."""
    created_at: str
    """UTC, ISO 8601."""


class ReplicaState(Record):
    """One replica: the counterpart of a pod."""

    name: str
    pid: int
    """Of the service process; 0 while it is not running, and on a cluster."""
    started_at: float
    """Seconds since the epoch."""
    port: int
    phase: Literal["starting", "ready", "unready", "draining", "back-off"]
    restarts: int = Field(default=0, ge=0)
    throttled_s: float | None = None
    """How long a duty cycle has held the process back, as of when the state was written; None for other limiters."""


class DeploymentState(Record):
    """What is there now. Written by the supervisor at every change."""

    id: str
    phase: Literal["starting", "available", "stopping", "stopped", "failed"]
    supervisor_pid: int
    """On a cluster, whose own controllers supervise: of the port-forward to it, or 0 where there is none."""
    supervisor_started_at: float
    """Creation time of the process, seconds since the epoch: tells it from a later one of the same pid."""
    url: str
    replicas: tuple[ReplicaState, ...]
    desired_replicas: int
    cpu_limiter: CpuLimiter
    memory_limit_enforced: bool
    """By the kernel. Otherwise memory is watched, and a replica ended when it is seen above its limit."""
    load_balancer: LoadBalancer
    load_balancer_pid: int | None
    failure: str | None = None
    """Why the phase is failed; one line."""
    updated_at: float

    @property
    def ready_replicas(self) -> int:
        """Replicas that receive connections."""
        return sum(replica.phase == "ready" for replica in self.replicas)


class DeploymentEvent(Record):
    """Something that happened to a deployment, in the words of Kubernetes' events where it has one."""

    time_s: float
    """Seconds since the epoch."""
    type: Literal["Normal", "Warning"]
    reason: str
    """Started, Ready, Unhealthy, OOMKilled, BackOff, Killing, ScalingReplicaSet, SuccessfulRescale, ..."""
    replica: str | None
    message: str
    probe_failure: ProbeFailure | None = None
    """Of Unhealthy: why the probe failed."""
    ready_endpoints: int | None = None
    """How many replicas receive connections from then on, where the event changed it."""
    memory_peak_bytes: int | None = None
    """Of OOMKilled: the most memory the process had used, where it is known."""


class ScalingDecision(Record):
    """One sync of the autoscaler."""

    time_s: float
    current_replicas: int
    utilisation_percent: float | None
    """Mean CPU usage over request; None while there are no metrics."""
    ratio: float | None
    """Utilisation over its target."""
    raw_replicas: int | None = None
    """The ratio times the pods whose metrics count, rounded up; None while there are no metrics, or unknown."""
    weakened_by: str = ""
    """What came between that and the recommendation: the tolerance, or pods without a metric that counts."""
    recommended_replicas: int
    desired_replicas: int
    limited_by: str
    """What came between the recommendation and the decision; empty where nothing did."""
