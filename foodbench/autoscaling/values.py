"""What the autoscaler is told and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Behaviour", "Change", "History", "Pod", "PodMetric", "Policy", "Scaler", "ScalingRules"]


@dataclass(frozen=True)
class Pod:
    """A pod as the controller sees it. Times are seconds on one clock."""

    name: str
    cpu_request_millicores: int
    phase: Literal["pending", "running", "succeeded", "failed"]
    ready: bool
    ready_changed_at_s: float
    """When ``ready`` last became what it is."""
    started_at_s: float
    deleting: bool = False


@dataclass(frozen=True)
class PodMetric:
    """A pod's mean CPU usage over a window, as metrics-server gives it."""

    usage_nanocores: int
    sampled_at_s: float
    """End of the window."""
    window_s: float

    @property
    def usage_millicores(self) -> int:
        """Usage in whole millicores, rounded up, as a Kubernetes quantity is."""
        return -(-self.usage_nanocores // 1_000_000)


@dataclass(frozen=True)
class Policy:
    """At most this change within this period."""

    kind: Literal["pods", "percent"]
    value: int
    period_s: float


@dataclass(frozen=True)
class ScalingRules:
    """One direction of ``spec.behavior``."""

    policies: tuple[Policy, ...]
    stabilisation_s: float
    select: Literal["max", "min", "disabled"] = "max"


@dataclass(frozen=True)
class Behaviour:
    """``spec.behavior``, with the defaults the API server fills in for what is left out."""

    scale_up: ScalingRules = ScalingRules((Policy("pods", 4, 15), Policy("percent", 100, 15)), stabilisation_s=0)
    scale_down: ScalingRules = ScalingRules((Policy("percent", 100, 15),), stabilisation_s=300)


@dataclass(frozen=True)
class Scaler:
    """Bounds, target and tuning of one autoscaler.

    The defaults are those of kube-controller-manager: ``--horizontal-pod-autoscaler-tolerance``,
    ``-cpu-initialization-period``, ``-initial-readiness-delay`` and ``-downscale-stabilization``.
    """

    min_replicas: int
    max_replicas: int
    target_percent: float
    """Of the CPU request."""
    tolerance: float = 0.1
    cpu_initialisation_s: float = 300
    initial_readiness_delay_s: float = 30
    scale_down_stabilisation_s: float = 300
    """Used where ``behaviour`` is None."""
    behaviour: Behaviour | None = None


@dataclass(frozen=True)
class Change:
    """A number of replicas at a time: recommended, or (in scale events) added or taken away."""

    time_s: float
    replicas: int


@dataclass(frozen=True)
class History:
    """What one sync leaves for the next."""

    recommendations: tuple[Change, ...] = ()
    scale_ups: tuple[Change, ...] = ()
    scale_downs: tuple[Change, ...] = ()
