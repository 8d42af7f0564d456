"""Columns of the raw streams. A stream is an Arrow IPC file with one batch a write."""

from __future__ import annotations

from typing import Literal

from foodbench.records.base import Record

__all__ = [
    "DEPLOYMENT_COLUMNS",
    "LOAD_COLUMNS",
    "REPLICA_COLUMNS",
    "ColumnType",
    "ReplicaUsage",
    "ResourceSummary",
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
}

DEPLOYMENT_COLUMNS: dict[str, ColumnType] = {
    "time_s": "float64",
    "ready_replicas": "int64",
    "desired_replicas": "int64",
}


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
