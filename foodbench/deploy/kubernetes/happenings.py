"""What happened to a deployment, and what its autoscaler decided: from API objects to the records of every target."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from foodbench.autoscaling.sync import NO_METRICS
from foodbench.autoscaling.values import Scaler
from foodbench.deploy.kubernetes.reading import Plain, at, condition, name_of, objects, text, whole
from foodbench.records.deployments import DeploymentEvent, ScalingDecision
from foodbench.records.experiments import Autoscaling

__all__ = ["decision_of", "endings_of", "event_of", "is_ready", "ready_changes", "seconds"]

NOT_COUNTED = "pods not ready, in the CPU initialisation period or without metrics did not count"

STABILISED_DOWN = "ScaleDownStabilized"
"""Reason of the condition AbleToScale while a higher recommendation of the last minutes is applied."""


def seconds(written: str) -> float:
    """Return a moment of the API (ISO 8601) in seconds since the epoch; 0 where it is none."""
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        return 0.0


def event_of(thing: Plain) -> DeploymentEvent:
    """Return an event of core/v1 at its newest occurrence. Those about a pod name it as the replica."""
    times = (("series", "lastObservedTime"), ("lastTimestamp",), ("eventTime",), ("metadata", "creationTimestamp"))
    kind: Literal["Normal", "Warning"] = "Warning" if text(thing, "type") == "Warning" else "Normal"
    return DeploymentEvent(
        time_s=next((moment for path in times if (moment := seconds(text(thing, *path))) > 0), 0.0),
        type=kind,
        reason=_reason(thing),
        replica=text(thing, "involvedObject", "name") if text(thing, "involvedObject", "kind") == "Pod" else None,
        message=text(thing, "message"),
    )


def _reason(thing: Plain) -> str:
    """Return an event's reason; a probe that waits for the start is told from one that takes a pod out of the Service."""
    of_start = text(thing, "reason") == "Unhealthy" and text(thing, "message").startswith("Startup probe")
    return "NotStarted" if of_start else text(thing, "reason")


def endings_of(pod: Plain) -> Iterator[DeploymentEvent]:
    """Yield how a pod's containers ended by themselves, which no event of the API tells: OOMKilled, or Error."""
    if text(pod, "metadata", "deletionTimestamp"):
        return
    for status in objects(pod, "status", "containerStatuses"):
        for state in ("lastState", "state"):
            ended = at(status, state, "terminated")
            if ended is not None:
                reason = text(ended, "reason") or "Error"
                message = f"its container ended with code {whole(ended, 'exitCode')}"
                yield DeploymentEvent(
                    time_s=seconds(text(ended, "finishedAt")),
                    type="Warning",
                    reason="Error" if reason == "Completed" else reason,
                    replica=name_of(pod),
                    message="it used more memory than its limit allows" if reason == "OOMKilled" else message,
                )


def is_ready(pod: Plain) -> bool:
    """Say whether a pod receives connections."""
    ready = text(condition(pod, "Ready"), "status") == "True"
    return ready and not text(pod, "metadata", "deletionTimestamp")


def ready_changes(before: frozenset[str], pods: Iterable[Plain], now_s: float) -> tuple[DeploymentEvent, ...]:
    """Return, oldest first, how the pods that receive connections changed, with how many there were from then on.

    Args:
        before: Names of those that did at the look before.
        pods: As they are now.
        now_s: When they were read: a pod that is gone altogether does not say when it went.
    """
    by_name = {name_of(pod): pod for pod in pods}
    now = frozenset(name for name, pod in by_name.items() if is_ready(pod))
    changes = [_change(name, by_name.get(name), ready=name in now, now_s=now_s) for name in before ^ now]
    told, count = [], len(before)
    for change in sorted(changes, key=lambda one: one.time_s):
        count += 1 if change.reason == "Ready" else -1
        told.append(change.model_copy(update={"ready_endpoints": count}))
    return tuple(told)


def _change(name: str, pod: Plain | None, *, ready: bool, now_s: float) -> DeploymentEvent:
    changed_at = seconds(text(condition(pod, "Ready"), "lastTransitionTime")) or now_s
    if ready:
        return _about(name, changed_at, "Normal", "Ready", "it receives connections")
    if pod is None or text(pod, "metadata", "deletionTimestamp"):
        return _about(name, now_s, "Normal", "Killing", "it receives no new connections, and ends")
    # The same second may hold the end of its container, which is then the reason.
    endings = [one for one in endings_of(pod) if abs(one.time_s - changed_at) <= 1.0]
    if endings:
        return _about(name, changed_at, "Warning", endings[-1].reason, endings[-1].message)
    return _about(name, changed_at, "Warning", "Unhealthy", "not ready: it gets no new connections")


def _about(name: str, time_s: float, kind: Literal["Normal", "Warning"], reason: str, message: str) -> DeploymentEvent:
    return DeploymentEvent(time_s=time_s, type=kind, reason=reason, replica=name, message=message)


def decision_of(autoscaler: Plain, bounds: Autoscaling, now_s: float) -> ScalingDecision:
    """Return the status of a HorizontalPodAutoscaler as the decision of its newest sync.

    The API tells neither the controller's raw recommendation nor whose metrics counted. Where a condition says that the
    decision was limited, what the ratio asks for is given as the recommendation, else the decision itself. Where none
    does, and the replicas stay although the ratio asks for others, only pods that did not count can be why.

    Args:
        autoscaler: It.
        bounds: With its target.
        now_s: When it was read.
    """
    current = whole(autoscaler, "status", "currentReplicas") or bounds.min_replicas
    # A fresh autoscaler has decided nothing yet, and shows 0.
    desired = whole(autoscaler, "status", "desiredReplicas") or current
    utilisation = _utilisation(autoscaler)
    if utilisation is None:
        return ScalingDecision(
            time_s=now_s,
            current_replicas=current,
            utilisation_percent=None,
            ratio=None,
            recommended_replicas=current,
            desired_replicas=desired,
            limited_by=NO_METRICS,
        )
    ratio = utilisation / bounds.target_cpu_percent
    limited_by = _limit(autoscaler)
    unexplained = not limited_by and desired == current and math.ceil(ratio * current) != current
    return ScalingDecision(
        time_s=now_s,
        current_replicas=current,
        utilisation_percent=utilisation,
        ratio=ratio,
        weakened_by=NOT_COUNTED if unexplained and abs(ratio - 1) > Scaler.tolerance else "",
        recommended_replicas=_recommended(autoscaler, math.ceil(ratio * current), desired) if limited_by else desired,
        desired_replicas=desired,
        limited_by=limited_by,
    )


def _recommended(autoscaler: Plain, by_ratio: int, desired: int) -> int:
    if text(condition(autoscaler, "AbleToScale"), "reason") == STABILISED_DOWN:
        # The metrics of some pods did not count, where the ratio times all of them is more than what was held.
        return max(1, min(by_ratio, desired))
    return max(1, by_ratio)


def _utilisation(autoscaler: Plain) -> float | None:
    if text(condition(autoscaler, "ScalingActive"), "status") == "False":
        return None
    for metric in objects(autoscaler, "status", "currentMetrics"):
        found = at(metric, "resource", "current", "averageUtilization")
        if isinstance(found, int):
            return float(found)
    return None


def _limit(autoscaler: Plain) -> str:
    """Return in the controller's words what limited its decision; empty where nothing did."""
    able = condition(autoscaler, "AbleToScale")
    if text(able, "reason") in {STABILISED_DOWN, "ScaleUpStabilized"}:
        return text(able, "message")
    limited = condition(autoscaler, "ScalingLimited")
    return text(limited, "message") if text(limited, "status") == "True" else ""
