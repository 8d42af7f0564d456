"""The twelve figures siege prints, from raw samples, by siege's own definitions.

The definitions are those of siege 4.1.6, read from its source (``__http`` in browser.c, the getters in
data.c, the output in main.c) and measured against a server that answers as told; a component test repeats
the comparison. What they amount to:

- A *transaction* (siege: hit) is a request that was answered, except by 408 or 5xx.
- A request *failed* if no whole answer came, or if it was answered by 408 or 5xx.
- Time and bytes are summed over everything that was **answered**, so 408 and 5xx count in them, though
  they are no transactions: the response time of a service that sheds load is not that of its transactions
  alone. Requests without an answer count in neither. Longest and shortest are over the same requests.
- Bytes are those of the bodies, as they were sent; headers are not counted.
- The shortest transaction is 0 where none was successful.
- Where there was no transaction, availability, response time and transaction rate are 0.

Where siege's own count misleads, ours is the plain one: a body cut short is a failed request (siege: a
success), so are 510 and above (siege: transactions), 401 and 407 are not successful (siege: they are), and
418 is counted once (siege: as a transaction and as a failure).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foodbench.analysis.statistics import percentile, samples_needed
from foodbench.records.loads import FailureCount, FailureKind, LatencyPercentile, SiegeFigures

__all__ = ["PERCENTS", "failure_counts", "latency_percentiles", "siege_figures"]

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)

ANSWERED_FAILURES: tuple[FailureKind, ...] = ("http-408", "http-5xx", "shed")
"""Failures that came with a whole answer."""

BYTES_PER_MIB = 2**20


def siege_figures(samples: pa.Table, elapsed_s: float) -> SiegeFigures:
    """Compute siege's figures.

    Args:
        samples: One row a request, with the columns of ``LOAD_COLUMNS``.
        elapsed_s: From the start of the load to its end, above 0.

    Raises:
        ValueError: ``elapsed_s`` is not above 0.
    """
    if not elapsed_s > 0:
        raise ValueError(f"elapsed_s must be above 0. Received: {elapsed_s}")
    status = _numbers(samples, "status")
    failure = _texts(samples, "failure")
    is_transaction = failure == ""
    is_answered = is_transaction | np.isin(failure, ANSWERED_FAILURES)
    answered_s = _numbers(samples, "latency_ms")[is_answered] / 1000
    total_s = float(answered_s.sum())
    received_mib = float(_numbers(samples, "received_bytes")[is_answered].sum()) / BYTES_PER_MIB
    transactions = int(is_transaction.sum())
    successful = int((is_transaction & (status < 400)).sum())
    failed = len(samples) - transactions
    return SiegeFigures(
        transactions=transactions,
        availability_percent=100 * transactions / len(samples) if transactions else 0.0,
        elapsed_s=elapsed_s,
        data_transferred_mib=received_mib,
        response_time_s=total_s / transactions if transactions else 0.0,
        transactions_per_s=transactions / elapsed_s,
        throughput_mib_per_s=received_mib / elapsed_s,
        concurrency=total_s / elapsed_s,
        successful_transactions=successful,
        failed_transactions=failed,
        longest_transaction_s=float(answered_s.max(initial=0.0)),
        shortest_transaction_s=float(answered_s.min()) if successful else 0.0,
    )


def latency_percentiles(samples: pa.Table, percents: tuple[float, ...] = PERCENTS) -> tuple[LatencyPercentile, ...]:
    """Compute exact percentiles of the response time of the transactions.

    Unlike siege's mean they leave failed requests out, answered or not. A percentile for which there are
    too few samples (see ``statistics.samples_needed``) is None.

    Args:
        samples: One row a request, with the columns of ``LOAD_COLUMNS``.
        percents: Which ones.
    """
    latencies = np.sort(_numbers(samples, "latency_ms")[_texts(samples, "failure") == ""]).tolist()
    return tuple(_percentile(latencies, percent) for percent in percents)


def failure_counts(samples: pa.Table, started_at: float) -> tuple[FailureCount, ...]:
    """Count the failed requests by cause, the most frequent first.

    Args:
        samples: One row a request, with the columns of ``LOAD_COLUMNS``.
        started_at: When the load began, seconds since the epoch.
    """
    return tuple(sorted(_failures(samples, started_at), key=lambda failure: (-failure.count, failure.kind)))


def _failures(samples: pa.Table, started_at: float) -> Iterator[FailureCount]:
    failure = _texts(samples, "failure")
    failed_at_s = _numbers(samples, "started_at") + _numbers(samples, "latency_ms") / 1000 - started_at
    details = samples["detail"]
    kinds: list[FailureKind] = sorted(set(failure.tolist()) - {""})
    for kind in kinds:
        rows = np.flatnonzero(failure == kind)
        first = rows[np.argmin(failed_at_s[rows])]
        yield FailureCount(
            kind=kind,
            count=len(rows),
            first_at_s=float(failed_at_s[first]),
            last_at_s=float(failed_at_s[rows].max()),
            example=details[int(first)].as_py(),
        )


def _percentile(latencies_ms: list[float], percent: float) -> LatencyPercentile:
    needed = samples_needed(percent)
    enough = len(latencies_ms) >= needed
    return LatencyPercentile(
        percent=percent,
        latency_ms=percentile(latencies_ms, percent) if enough else None,
        samples_needed=needed,
    )


def _numbers(samples: pa.Table, column: str) -> npt.NDArray[np.float64]:
    return np.asarray(samples[column].to_numpy(), dtype=np.float64)


def _texts(samples: pa.Table, column: str) -> npt.NDArray[np.object_]:
    return np.asarray(samples[column].to_pylist(), dtype=object)
