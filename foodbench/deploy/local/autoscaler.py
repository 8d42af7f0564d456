"""Feeds the HPA algorithm with what is known of local replicas."""

from __future__ import annotations

from collections.abc import Sequence

from foodbench.autoscaling import History, Pod, Scaler, sync
from foodbench.deploy.local.metrics import MetricsWindow
from foodbench.deploy.local.replica import Replica
from foodbench.records.deployments import ScalingDecision
from foodbench.records.experiments import Variant

__all__ = ["Autoscaler"]


class Autoscaler:
    """One HorizontalPodAutoscaler, and the metrics-server it asks.

    Args:
        variant: With autoscaling bounds.
    """

    def __init__(self, variant: Variant) -> None:
        bounds = variant.autoscaling
        if bounds is None:
            raise ValueError(f"the variant {variant.name} has no autoscaling bounds")
        self._scaler = Scaler(bounds.min_replicas, bounds.max_replicas, bounds.target_cpu_percent)
        self._request_millicores = max(1, round(variant.resources.cpu_request_cores * 1000))
        self._window = MetricsWindow.empty()
        self._history = History()

    def sample(self, replicas: Sequence[Replica]) -> None:
        """Read the CPU time of all replicas, as metrics-server does once per resolution."""
        samples = {replica.name: sample for replica in replicas if (sample := replica.cpu_sample()) is not None}
        self._window = self._window.after(samples)

    def decide(self, replicas: Sequence[Replica], *, current_replicas: int, now_s: float) -> ScalingDecision:
        """Make one sync."""
        pods = [
            Pod(
                name=replica.name,
                cpu_request_millicores=self._request_millicores,
                phase="running",
                ready=replica.phase == "ready",
                ready_changed_at_s=replica.ready_changed_at,
                started_at_s=replica.created_at,
                deleting=replica.leaving,
            )
            for replica in replicas
        ]
        decision, self._history = sync(
            self._scaler,
            self._history,
            pods,
            self._window.metrics,
            current_replicas=current_replicas,
            now_s=now_s,
        )
        return decision
