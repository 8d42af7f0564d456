"""Pods as replicas: what a cluster says, in the words of the records."""

from __future__ import annotations

import time
from typing import Literal

from foodbench.deploy.kubernetes.diagnosis import diagnose
from foodbench.deploy.kubernetes.findings import Observed
from foodbench.deploy.kubernetes.happenings import seconds
from foodbench.deploy.kubernetes.reaching import Reached
from foodbench.deploy.kubernetes.reading import Plain, condition, containers_of, name_of, text, whole
from foodbench.records.deployments import Deployment, DeploymentState, ReplicaState
from foodbench.records.traces import ReplicaUsage

__all__ = ["POD_PORT", "state_of", "usage_of"]

POD_PORT = 5000
"""Of the service inside its pod, as the manifests say."""

PhaseOfPod = Literal["starting", "ready", "unready", "draining", "back-off"]


def state_of(deployment: Deployment, observed: Observed, reached: Reached) -> DeploymentState:
    """Return what was observed of a deployment as its state.

    Args:
        deployment: It.
        observed: What the cluster says of it.
        reached: How this machine reaches it.
    """
    available = text(condition(observed.deployment, "Available"), "status") == "True"
    found = None if available else diagnose(observed)
    failure = None if found is None else found.summary
    if available and reached.broken:
        available, failure = False, "the port-forward to it has ended; delete the deployment, and deploy it again"
    return DeploymentState(
        id=deployment.id,
        phase="available" if available else "starting" if failure is None else "failed",
        supervisor_pid=reached.pid,
        supervisor_started_at=reached.started_at,
        url=reached.url,
        replicas=tuple(_replica(pod) for pod in observed.pods),
        desired_replicas=whole(observed.deployment, "spec", "replicas"),
        cpu_limiter="kubelet",
        memory_limit_enforced=True,
        load_balancer=reached.through,
        load_balancer_pid=None,
        failure=failure,
        updated_at=time.time(),
    )


def _replica(pod: Plain) -> ReplicaState:
    return ReplicaState(
        name=name_of(pod),
        pid=0,
        started_at=seconds(text(pod, "status", "startTime")),
        port=POD_PORT,
        phase=_phase(pod),
        restarts=sum(container.restarts for container in containers_of(pod)),
    )


def _phase(pod: Plain) -> PhaseOfPod:
    containers = list(containers_of(pod))
    if text(pod, "metadata", "deletionTimestamp"):
        return "draining"
    if text(condition(pod, "Ready"), "status") == "True":
        return "ready"
    if any(container.waiting_reason.endswith("BackOff") for container in containers):
        return "back-off"
    return "unready" if any(container.running for container in containers) else "starting"


def usage_of(pod: Plain, metrics: str) -> ReplicaUsage | None:
    """Return what a pod has used so far.

    Args:
        pod: The pod.
        metrics: Its service's /metrics, in Prometheus' text format.

    Returns:
        None where the metrics do not say.
    """
    values = dict(line.split(" ", 1) for line in metrics.splitlines() if line.startswith("process_"))
    try:
        memory_bytes, cpu_s = float(values["process_resident_memory_bytes"]), float(values["process_cpu_seconds_total"])
    except (KeyError, ValueError):
        return None
    return ReplicaUsage(
        replica=name_of(pod),
        memory_bytes=round(memory_bytes),
        cpu_s=cpu_s,
        throttled_s=None,
        ready=_phase(pod) == "ready",
    )
