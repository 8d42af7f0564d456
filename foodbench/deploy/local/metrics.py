"""CPU usage of replicas as metrics-server gives it: means over 15 s windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from foodbench.autoscaling import PodMetric

__all__ = ["RESOLUTION_S", "CpuSample", "MetricsWindow"]

RESOLUTION_S = 15.0
"""metrics-server's default ``--metric-resolution``."""

FRESH_FROM_S = 10.0
"""A replica at least this old at its first sample has a metric since its start; metrics-server's constant."""


@dataclass(frozen=True)
class CpuSample:
    """CPU time of one process start, read at one moment."""

    time_s: float
    started_at_s: float
    cpu_s: float


@dataclass(frozen=True)
class MetricsWindow:
    """The last sample of each replica, and the metrics between the last two."""

    samples: Mapping[str, CpuSample]
    metrics: Mapping[str, PodMetric]

    @classmethod
    def empty(cls) -> MetricsWindow:
        """Return a window before the first sample."""
        return cls({}, {})

    def after(self, samples: Mapping[str, CpuSample]) -> MetricsWindow:
        """Return the window after new samples. A replica that is not among them has no metric any more."""
        metrics = {}
        for replica, sample in samples.items():
            before = self.samples.get(replica)
            if before is None or before.started_at_s != sample.started_at_s:
                before = _since_start(sample)
            if before is not None and sample.time_s > before.time_s:
                metrics[replica] = _mean(before, sample)
        return MetricsWindow(samples, metrics)


def _since_start(sample: CpuSample) -> CpuSample | None:
    if FRESH_FROM_S <= sample.time_s - sample.started_at_s < RESOLUTION_S:
        return CpuSample(sample.started_at_s, sample.started_at_s, 0.0)
    return None


def _mean(before: CpuSample, after: CpuSample) -> PodMetric:
    window_s = after.time_s - before.time_s
    used_s = max(0.0, after.cpu_s - before.cpu_s)
    return PodMetric(round(used_s / window_s * 1e9), sampled_at_s=after.time_s, window_s=window_s)
