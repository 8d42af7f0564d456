"""What the service counts and measures, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from foodbench.serving.admission import Answer

__all__ = ["Metrics", "Outcome"]

Outcome = Literal["ok", "refused", "shed", "expired", "client-gone", "error"]
"""refused: a request the client must change (4xx). shed: 503 on purpose, apart from errors."""

LATENCY_BUCKETS_S = (
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip

BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


class Metrics:
    """The service's metrics, in a registry of their own.

    Args:
        queue_depth: Returns how many requests wait.
    """

    def __init__(self, queue_depth: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        requests = Counter(
            "foodbench_requests", "Requests for a prediction, by outcome.", ["route", "outcome"], registry=self.registry
        )
        self._connections_shed = Counter(
            "foodbench_connections_shed", "Connections beyond the most that are held.", registry=self.registry
        )
        self._connections_used = Counter(
            "foodbench_connections", "Connections that carried a request for a prediction.", registry=self.registry
        )
        stages = Histogram(
            "foodbench_stage_duration_seconds",
            "Time of answered requests, by stage: queue, decode, inference.",
            ["stage"],
            registry=self.registry,
            buckets=LATENCY_BUCKETS_S,
        )
        self._queue, self._decode, self._inference = (
            stages.labels(stage) for stage in ("queue", "decode", "inference")
        )
        self._total = Histogram(
            "foodbench_request_duration_seconds",
            "Time from a request's headers to its answer, of answered requests.",
            registry=self.registry,
            buckets=LATENCY_BUCKETS_S,
        )
        self._batch = Histogram(
            "foodbench_batch_images",
            "Images computed at once, of each batch; empty where each is computed alone.",
            registry=self.registry,
            buckets=BATCH_BUCKETS,
        )
        self.in_flight = Gauge(
            "foodbench_requests_in_flight", "Requests for a prediction under way.", registry=self.registry
        )
        depth = Gauge("foodbench_queue_depth", "Requests that wait for a worker.", registry=self.registry)
        depth.set_function(queue_depth)
        outcomes = ("ok", "refused", "shed", "expired", "client-gone", "error")
        # Kept: finding a counter by its labels would be part of what every refusal costs.
        self._ended = {
            (route, outcome): requests.labels(route, outcome) for route in ("predict", "test") for outcome in outcomes
        }

    def count(self, route: str, outcome: Outcome) -> None:
        """Count a request that has ended."""
        self._ended[route, outcome].inc()

    def count_shed_connection(self) -> None:
        """Count a connection that was refused because there were too many."""
        self._connections_shed.inc()

    def count_used_connection(self) -> None:
        """Count a connection that carries its first request for a prediction."""
        self._connections_used.inc()

    def observe(self, answer: Answer, total_s: float) -> None:
        """Note the times of an answered request."""
        self._queue.observe(answer.queue_s)
        self._decode.observe(answer.decode_s)
        self._inference.observe(answer.inference_s)
        self._total.observe(total_s)

    def observe_batch(self, images: int) -> None:
        """Note how many images were computed at once; may be called from any thread."""
        self._batch.observe(images)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)
