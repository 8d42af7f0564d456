"""The algorithm of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2, CPU utilisation), as pure functions.

values           pods, metrics, bounds and behaviour, all frozen
recommendation   from metrics to a number of replicas (tolerance, missing metrics, unready pods)
limits           from a recommendation to a decision (stabilisation, policies, bounds)
sync             one sync of the controller: both together, with the history they need
"""

from foodbench.autoscaling.recommendation import Recommendation, recommend
from foodbench.autoscaling.sync import SYNC_PERIOD_S, sync
from foodbench.autoscaling.values import (
    Behaviour,
    History,
    Pod,
    PodMetric,
    Policy,
    Scaler,
    ScalingRules,
)

__all__ = [
    "SYNC_PERIOD_S",
    "Behaviour",
    "History",
    "Pod",
    "PodMetric",
    "Policy",
    "Recommendation",
    "Scaler",
    "ScalingRules",
    "recommend",
    "sync",
]
