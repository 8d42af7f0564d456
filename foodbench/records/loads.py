"""What a load test measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from foodbench.records.base import Record
from foodbench.records.experiments import LoadProfile

__all__ = ["FailureCount", "FailureKind", "LatencyPercentile", "LoadResult", "SiegeFigures"]

FailureKind = Literal[
    "connection-refused",
    "connection-reset",
    "connection-closed",
    "timeout",
    "http-408",
    "http-5xx",
    "shed",
    "other",
]
"""Why a request failed. ``shed`` is a 503 with Retry-After: the service refused it on purpose."""


class SiegeFigures(Record):
    """The twelve figures siege prints, by siege's own definitions (4.1.6); see ``analysis.siege``."""

    transactions: int
    """Requests answered, whatever the status, except 408 and 5xx."""
    availability_percent: float = Field(ge=0, le=100)
    elapsed_s: float
    data_transferred_mib: float
    """Bodies of all answers, without headers. siege's MB is 2^20 bytes."""
    response_time_s: float
    """Sum of the times of all answers (408 and 5xx among them) over the number of transactions."""
    transactions_per_s: float
    throughput_mib_per_s: float
    concurrency: float
    """Sum of the times of all answers over the elapsed time: requests under way on average."""
    successful_transactions: int
    """Those below HTTP 400."""
    failed_transactions: int
    """Socket errors, time-outs, 408 and 5xx."""
    longest_transaction_s: float
    """Of all answers."""
    shortest_transaction_s: float
    """Of all answers; 0 where no transaction was successful."""


class LatencyPercentile(Record):
    """An exact percentile of the response time of transactions."""

    percent: float
    latency_ms: float | None
    """None where there are too few samples for one to lie above it with 99 % confidence."""
    samples_needed: int


class FailureCount(Record):
    """How many requests failed for one reason."""

    kind: FailureKind
    count: int
    first_at_s: float
    """Seconds since the load began."""
    last_at_s: float
    example: str
    """One error text, as it was received."""


class LoadResult(Record):
    """One load test, from its raw samples."""

    profile: LoadProfile
    url: str
    started_at: float
    """Seconds since the epoch."""
    figures: SiegeFigures
    percentiles: tuple[LatencyPercentile, ...]
    failures: tuple[FailureCount, ...]
    samples: int
    samples_file: str
    """Arrow IPC stream, beside the record."""
    complete: bool
    """False where the generator ended before its time."""
    stopped_after_failures: int | None = None
    """How many requests had failed when that ended the load, as its profile asks for; None where it did not."""
    generator_cpu_cores: float | None
    """Mean CPU the generator itself used; None where it could not be read."""
    notes: tuple[str, ...] = ()
    """Where the load differed from siege's, or from what was asked for; a line each."""
