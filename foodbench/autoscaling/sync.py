"""One sync of the HorizontalPodAutoscaler's controller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from foodbench.autoscaling.limits import bounded, bounded_by_behaviour, record_change
from foodbench.autoscaling.recommendation import recommend
from foodbench.autoscaling.values import Change, History, Pod, PodMetric, Scaler
from foodbench.records.deployments import ScalingDecision

__all__ = ["NO_METRICS", "SYNC_PERIOD_S", "sync"]

SYNC_PERIOD_S = 15.0
"""Default of ``--horizontal-pod-autoscaler-sync-period``."""

NO_METRICS = "no metrics yet"


def sync(
    scaler: Scaler,
    history: History,
    pods: Iterable[Pod],
    metrics: Mapping[str, PodMetric],
    *,
    current_replicas: int,
    now_s: float,
) -> tuple[ScalingDecision, History]:
    """Decide how many replicas there shall be.

    Args:
        scaler: Bounds, target and tuning.
        history: What the sync before left; ``History()`` at the first.
        pods: All pods of the deployment, those being deleted included.
        metrics: The newest metric of each pod, by pod name.
        current_replicas: What the deployment asks for now.
        now_s: Time of the sync, seconds on the clock of the pods' times.

    Returns:
        The decision, and the history for the next sync.
    """
    if not history.recommendations:
        history = replace(history, recommendations=(Change(now_s, current_replicas),))
    if not scaler.min_replicas <= current_replicas <= scaler.max_replicas:
        return _back_into_bounds(scaler, history, current_replicas, now_s)

    recommendation = recommend(scaler, pods, metrics, current_replicas=current_replicas, now_s=now_s)
    if recommendation is None:
        return ScalingDecision(
            time_s=now_s,
            current_replicas=current_replicas,
            utilisation_percent=None,
            ratio=None,
            recommended_replicas=current_replicas,
            desired_replicas=current_replicas,
            limited_by=NO_METRICS,
        ), history

    recommended = recommendation.replicas
    if scaler.behaviour is None:
        desired, limited_by = bounded(
            scaler, history, recommended=recommended, current_replicas=current_replicas, now_s=now_s
        )
    else:
        desired, limited_by = bounded_by_behaviour(
            scaler,
            scaler.behaviour,
            history,
            recommended=recommended,
            current_replicas=current_replicas,
            now_s=now_s,
        )
    history = replace(history, recommendations=(*history.recommendations, Change(now_s, recommended)))
    decision = ScalingDecision(
        time_s=now_s,
        current_replicas=current_replicas,
        utilisation_percent=recommendation.utilisation_percent,
        ratio=recommendation.ratio,
        raw_replicas=recommendation.raw_replicas,
        weakened_by=recommendation.weakened_by,
        recommended_replicas=recommended,
        desired_replicas=desired,
        limited_by=limited_by,
    )
    return decision, record_change(scaler, history, before=current_replicas, after=desired, now_s=now_s)


def _back_into_bounds(
    scaler: Scaler, history: History, current_replicas: int, now_s: float
) -> tuple[ScalingDecision, History]:
    desired = min(max(current_replicas, scaler.min_replicas), scaler.max_replicas)
    decision = ScalingDecision(
        time_s=now_s,
        current_replicas=current_replicas,
        utilisation_percent=None,
        ratio=None,
        recommended_replicas=desired,
        desired_replicas=desired,
        limited_by=f"bounds of {scaler.min_replicas} to {scaler.max_replicas} replicas",
    )
    return decision, record_change(scaler, history, before=current_replicas, after=desired, now_s=now_s)
