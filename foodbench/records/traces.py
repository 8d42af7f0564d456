"""Columns of the raw streams. A stream is an Arrow IPC file with one batch a write."""

from __future__ import annotations

from typing import Literal

from foodbench.records.base import Record

__all__ = [
    "DEPLOYMENT_COLUMNS",
    "LOAD_COLUMNS",
    "REPLICA_COLUMNS",
    "ColumnType",
    "ReplicaSummary",
    "ReplicaUsage",
    "ResourceSummary",
    "ServiceCounters",
]

ColumnType = Literal["float64", "int64", "string", "bool"]

LOAD_COLUMNS: dict[str, ColumnType] = {
    "started_at": "float64",  # seconds since the epoch
    "latency_ms": "float64",  # connect to last byte
    "status": "int64",  # HTTP status; 0 where no answer came
    "received_bytes": "int64",  # of the body, as it was sent; headers are not counted, as siege does
    "failure": "string",  # a FailureKind, or empty
    "detail": "string",  # the error as received, or empty
}

REPLICA_COLUMNS: dict[str, ColumnType] = {
    "time_s": "float64",  # seconds since the epoch
    "replica": "string",
    "memory_bytes": "int64",  # resident set of the whole process tree
    "cpu_cores": "float64",  # mean since the sample before; NaN in a replica's first sample
    "throttled_s": "float64",  # time the limiter held it back since it started; NaN where unreadable
    "ready": "bool",
    "memory_peak_bytes": "float64",  # the most it has used since it started; NaN where unreadable
    "restarts": "int64",  # of its process, so far
    "connections": "float64",  # that carried a request for a prediction, since it started; NaN where not asked, or no answer
    "requests": "float64",  # for a prediction, ended, shed ones among them; likewise
    "shed": "float64",  # requests and connections refused on purpose; likewise
    "queue_depth": "float64",  # requests that wait for a worker at this moment; likewise
}
"""A stream written before a column was added reads as NaN, or 0, there."""

DEPLOYMENT_COLUMNS: dict[str, ColumnType] = {
    "time_s": "float64",
    "ready_replicas": "int64",
    "desired_replicas": "int64",
}


class ServiceCounters(Record):
    """What a replica's service says of itself in /metrics. Counters begin anew with its process."""

    connections: int | None = None
    """Connections that carried a request for a prediction; None where the service does not count them."""
    requests: int
    """Requests for a prediction that have ended, those shed among them."""
    shed: int
    """Requests and connections refused on purpose."""
    queue_depth: int
    """Requests that wait for a worker at this moment."""


class ReplicaUsage(Record):
    """What one replica has used so far, as read at one moment."""

    replica: str
    memory_bytes: int
    """Resident set of its whole process tree."""
    cpu_s: float
    """CPU time of its whole process tree since it started."""
    throttled_s: float | None
    """Time the CPU limit held it back since it started; None where it cannot be read."""
    ready: bool
    memory_peak_bytes: int | None = None
    """The most memory it has used since it started; None where it cannot be read."""
    restarts: int = 0
    """Of its process, so far."""


class ReplicaSummary(Record):
    """One replica while it was under load. Counts are None where the service did not give any."""

    replica: str
    connections: int | None = None
    """Connections it took; requests where the service does not count connections."""
    connections_expected: float | None = None
    """What a choice at random among the replicas ready at the time would have given it."""
    requests: int | None = None
    shed: int | None = None
    queue_depth_peak: int | None = None
    restarts: int = 0
    """During the load."""
    memory_peak_bytes: int
    throttled_fraction: float | None = None
    """Share of its time spent held back by the CPU limit."""


class ResourceSummary(Record):
    """Memory, CPU and replicas of one deployment while it was under load."""

    samples: int
    gaps: int
    """Intervals more than twice as long as asked for."""
    memory_loaded_bytes: int
    """Of one replica, model loaded and warmed up, before the load."""
    memory_per_replica_mean_bytes: int
    memory_per_replica_peak_bytes: int
    memory_total_mean_bytes: int
    """Of all replicas together, averaged over time."""
    memory_total_peak_bytes: int
    cpu_total_mean_cores: float
    replicas_mean: float
    """Ready replicas, averaged over time."""
    replicas_peak: int
    throttled_fraction: float | None
    """Share of the replicas' time spent held back by the CPU limit; None where unreadable."""
    replicas: tuple[ReplicaSummary, ...] = ()
    """Every replica that was there, by name."""
    without_ready_replica_s: float = 0.0
    """How long no replica was ready, as far as the samples tell."""
