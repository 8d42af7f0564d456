"""From the pods' metrics to a number of replicas, as the controller's replica calculator does it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from foodbench.autoscaling.values import Pod, PodMetric, Scaler

__all__ = ["Recommendation", "recommend"]


@dataclass(frozen=True)
class Recommendation:
    """What the metrics ask for, before stabilisation and bounds."""

    replicas: int
    utilisation_percent: int
    """Mean of the pods whose metrics count, in whole percent, rounded down."""
    ratio: float
    """Utilisation over its target, before assumptions about other pods are added."""
    raw_replicas: int
    """The ratio times the pods whose metrics count, rounded up: before tolerance and assumptions."""
    weakened_by: str
    """What came between that and ``replicas``; empty where nothing did."""


@dataclass(frozen=True)
class _Groups:
    counted: tuple[Pod, ...]
    unready: tuple[Pod, ...]
    missing: tuple[Pod, ...]


def recommend(
    scaler: Scaler, pods: Iterable[Pod], metrics: Mapping[str, PodMetric], *, current_replicas: int, now_s: float
) -> Recommendation | None:
    """Return how many replicas the CPU usage asks for, or None while no metric counts.

    Args:
        scaler: Target and tuning.
        pods: All pods of the deployment, those being deleted included.
        metrics: The newest metric of each pod, by pod name; pods without one are missing from it.
        current_replicas: What the deployment asks for now.
        now_s: Time of the sync, on the clock of the pods' times.
    """
    groups = _group(scaler, pods, metrics, now_s)
    if not groups.counted:
        return None
    usage = {pod: metrics[pod.name].usage_millicores for pod in groups.counted}
    utilisation_percent = _utilisation_percent(usage)
    ratio = utilisation_percent / scaler.target_percent

    raw = math.ceil(ratio * len(groups.counted))
    assumed = _assumed_usage(scaler, groups, ratio)
    if not assumed and not groups.missing:
        tolerated = _tolerated(scaler, ratio)
        replicas = current_replicas if tolerated else raw
        return Recommendation(
            replicas, utilisation_percent, ratio, raw, _tolerance(scaler) if tolerated and replicas != raw else ""
        )

    usage |= assumed
    full_ratio = _utilisation_percent(usage) / scaler.target_percent
    replicas = math.ceil(full_ratio * len(usage))
    # An assumption may weaken what the metrics ask for; it never turns it round.
    turned = (ratio < 1 < full_ratio) or (ratio > 1 > full_ratio)
    against = (full_ratio < 1 and replicas > current_replicas) or (full_ratio > 1 and replicas < current_replicas)
    if _tolerated(scaler, full_ratio) or turned or against:
        replicas = current_replicas
    weakened_by = "" if replicas == raw else _assumptions(groups, assumed)
    return Recommendation(replicas, utilisation_percent, ratio, raw, weakened_by)


def _group(scaler: Scaler, pods: Iterable[Pod], metrics: Mapping[str, PodMetric], now_s: float) -> _Groups:
    counted, unready, missing = [], [], []
    for pod in pods:
        if pod.deleting or pod.phase == "failed":
            continue
        metric = metrics.get(pod.name)
        if pod.phase == "pending":
            unready.append(pod)
        elif metric is None:
            missing.append(pod)
        elif _is_unready(scaler, pod, metric, now_s):
            unready.append(pod)
        else:
            counted.append(pod)
    return _Groups(tuple(counted), tuple(unready), tuple(missing))


def _is_unready(scaler: Scaler, pod: Pod, metric: PodMetric, now_s: float) -> bool:
    """Say whether a pod's metric does not count yet.

    Within the CPU-initialisation period it does not while the pod is unready, nor while the metric's
    window reaches back to before it became ready. Later it does, unless the pod was never ready:
    it is unready, and has been since before the initial readiness delay was over.
    """
    if pod.started_at_s + scaler.cpu_initialisation_s > now_s:
        return not pod.ready or metric.sampled_at_s < pod.ready_changed_at_s + metric.window_s
    return not pod.ready and pod.started_at_s + scaler.initial_readiness_delay_s > pod.ready_changed_at_s


def _assumed_usage(scaler: Scaler, groups: _Groups, ratio: float) -> dict[Pod, int]:
    """Return the usage, in millicores, to assume for pods whose metrics are missing or do not count.

    On the way up it is none. On the way down a missing pod is taken to use all of its request (or
    the target, where that is above 100 %). The Kubernetes documentation says "100 % of the desired
    value" here; for CPU utilisation the controller's source takes the request, and so do we.
    """
    if ratio > 1:
        return dict.fromkeys((*groups.missing, *groups.unready), 0)
    if ratio < 1:
        percent = max(100, int(scaler.target_percent))
        return {pod: pod.cpu_request_millicores * percent // 100 for pod in groups.missing}
    return {}


def _utilisation_percent(usage_millicores: Mapping[Pod, int]) -> int:
    requested = sum(pod.cpu_request_millicores for pod in usage_millicores)
    return sum(usage_millicores.values()) * 100 // requested


def _tolerated(scaler: Scaler, ratio: float) -> bool:
    return 1 - scaler.tolerance <= ratio <= 1 + scaler.tolerance


def _tolerance(scaler: Scaler) -> str:
    return f"tolerance: the ratio is within {1 - scaler.tolerance:g} to {1 + scaler.tolerance:g}"


def _assumptions(groups: _Groups, assumed: Mapping[Pod, int]) -> str:
    """Say which pods' own metrics did not count, and what they were taken to use instead."""
    parts = []
    if groups.unready and assumed.keys() >= set(groups.unready):
        parts.append(f"{_pods(groups.unready)} not ready or in the CPU initialisation period, taken to use nothing")
    if groups.missing:
        used = {assumed.get(pod, 0) for pod in groups.missing}
        parts.append(
            f"{_pods(groups.missing)} without metrics, taken to use {'nothing' if used == {0} else 'the whole request'}"
        )
    return " and ".join(parts)


def _pods(pods: tuple[Pod, ...]) -> str:
    return f"{len(pods)} pod{'' if len(pods) == 1 else 's'}"
