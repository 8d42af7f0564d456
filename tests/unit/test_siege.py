"""The figures, their identities, and siege's own conventions."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis.siege import failure_counts, latency_percentiles, siege_figures
from foodbench.analysis.statistics import percentile
from foodbench.records.traces import LOAD_COLUMNS

ARROW_TYPES = {"float64": pa.float64(), "int64": pa.int64(), "string": pa.string(), "bool": pa.bool_()}
SCHEMA = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in LOAD_COLUMNS.items()])

BEGAN_AT = 1_700_000_000.0

OUTCOMES = (
    *((status, "") for status in (200, 204, 302, 400, 404, 429)),
    *((408, "http-408"), (500, "http-5xx"), (503, "shed"), (503, "http-5xx")),
    *((0, kind) for kind in ("connection-refused", "connection-reset", "connection-closed", "timeout", "other")),
    (200, "connection-closed"),
)


def row(
    status: int = 200, failure: str = "", latency_ms: float = 100.0, received: int = 50, at_s: float = 0.0
) -> dict[str, Any]:
    return {
        "started_at": BEGAN_AT + at_s,
        "latency_ms": latency_ms,
        "status": status,
        "received_bytes": received,
        "failure": failure,
        "detail": f"detail of {failure} at {at_s:g}" if failure else "",
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


rows = st.builds(
    lambda outcome, latency_ms, received, at_s: row(outcome[0], outcome[1], latency_ms, received, at_s),
    st.sampled_from(OUTCOMES),
    st.floats(0.01, 30_000),
    st.integers(0, 10_000_000),
    st.floats(0, 600),
)
tables = st.lists(rows, max_size=60).map(lambda many: table(*many))
elapsed_times = st.floats(0.1, 3_600)


@given(tables, elapsed_times)
def test_every_request_is_a_transaction_or_failed(samples: pa.Table, elapsed_s: float) -> None:
    figures = siege_figures(samples, elapsed_s)
    assert figures.transactions + figures.failed_transactions == len(samples)


@given(tables, elapsed_times)
def test_transactions_are_the_successful_ones_and_the_4xx(samples: pa.Table, elapsed_s: float) -> None:
    figures = siege_figures(samples, elapsed_s)
    client_errors = sum(400 <= one["status"] < 500 and not one["failure"] for one in samples.to_pylist())
    assert figures.transactions == figures.successful_transactions + client_errors


@given(tables, elapsed_times)
def test_availability_is_the_share_of_transactions(samples: pa.Table, elapsed_s: float) -> None:
    figures = siege_figures(samples, elapsed_s)
    assert 0 <= figures.availability_percent <= 100
    assert (figures.availability_percent == 100) == (figures.failed_transactions == 0 and figures.transactions > 0)
    assert (figures.availability_percent == 0) == (figures.transactions == 0)


@given(tables, elapsed_times)
def test_rates_times_elapsed_are_the_sums(samples: pa.Table, elapsed_s: float) -> None:
    figures = siege_figures(samples, elapsed_s)
    answered_ms = [one["latency_ms"] for one in samples.to_pylist() if is_answered(one)]
    assert figures.concurrency * elapsed_s == pytest.approx(sum(answered_ms) / 1000)
    assert figures.transactions_per_s * elapsed_s == pytest.approx(figures.transactions)
    assert figures.throughput_mib_per_s * elapsed_s == pytest.approx(figures.data_transferred_mib)
    # Little's law, in siege's terms.
    if figures.transactions:
        assert figures.concurrency == pytest.approx(figures.transactions_per_s * figures.response_time_s)


@given(tables, elapsed_times)
def test_the_shortest_and_longest_answer_enclose_the_others(samples: pa.Table, elapsed_s: float) -> None:
    figures = siege_figures(samples, elapsed_s)
    answered_s = [one["latency_ms"] / 1000 for one in samples.to_pylist() if is_answered(one)]
    assert figures.longest_transaction_s == max(answered_s, default=0.0)
    if figures.successful_transactions:
        assert figures.shortest_transaction_s == min(answered_s)


@given(tables, elapsed_times, st.randoms())
def test_the_order_of_the_samples_does_not_matter(samples: pa.Table, elapsed_s: float, random: Any) -> None:
    shuffled = samples.to_pylist()
    random.shuffle(shuffled)
    one, other = siege_figures(samples, elapsed_s), siege_figures(table(*shuffled), elapsed_s)
    assert one.model_dump() == pytest.approx(other.model_dump())


@given(tables)
def test_failures_are_counted_once_each(samples: pa.Table) -> None:
    failures = failure_counts(samples, BEGAN_AT)
    assert sum(failure.count for failure in failures) == siege_figures(samples, 1.0).failed_transactions
    assert len({failure.kind for failure in failures}) == len(failures)
    assert [failure.count for failure in failures] == sorted((failure.count for failure in failures), reverse=True)
    assert all(failure.first_at_s <= failure.last_at_s for failure in failures)


def test_a_failure_is_dated_by_its_end_and_shown_by_its_first_example() -> None:
    samples = table(
        row(0, "timeout", 2_000, at_s=5),
        row(0, "timeout", 1_000, at_s=1),
        row(0, "timeout", 3_000, at_s=9),
        row(200),
    )
    (failure,) = failure_counts(samples, BEGAN_AT)
    assert (failure.kind, failure.count) == ("timeout", 3)
    assert (failure.first_at_s, failure.last_at_s) == pytest.approx((2, 12))
    assert failure.example == "detail of timeout at 1"


def test_siege_counts_time_and_bytes_of_answered_failures_but_not_of_broken_connections() -> None:
    mib = 2**20
    samples = table(
        row(200, "", 100, mib), row(500, "http-5xx", 500, mib), row(0, "connection-closed", 700, mib), row(404, "", 300)
    )
    figures = siege_figures(samples, 2.0)
    assert (figures.transactions, figures.successful_transactions, figures.failed_transactions) == (2, 1, 2)
    assert figures.response_time_s == pytest.approx(0.9 / 2)
    assert figures.concurrency == pytest.approx(0.9 / 2)
    assert figures.data_transferred_mib == pytest.approx(2, rel=1e-3)
    assert (figures.shortest_transaction_s, figures.longest_transaction_s) == (0.1, 0.5)


def test_siege_prints_a_shortest_transaction_of_0_where_none_was_successful() -> None:
    figures = siege_figures(table(row(404, "", 200)), 1.0)
    assert (figures.shortest_transaction_s, figures.longest_transaction_s) == (0.0, 0.2)


def test_no_samples_are_all_zeros() -> None:
    figures = siege_figures(table(), 30.0)
    assert set(figures.model_dump(exclude={"elapsed_s"}).values()) == {0}
    assert failure_counts(table(), BEGAN_AT) == ()


@pytest.mark.parametrize("elapsed_s", [0.0, -1.0, float("nan")])
def test_no_time_is_refused(elapsed_s: float) -> None:
    with pytest.raises(ValueError, match="Received"):
        siege_figures(table(row()), elapsed_s)


def test_a_percentile_is_left_out_until_there_are_samples_enough() -> None:
    def shown(samples: int) -> list[bool]:
        return [p.latency_ms is not None for p in latency_percentiles(table(*[row()] * samples))]

    assert shown(63) == [True, False, False, False, False]
    assert shown(64) == [True, True, False, False, False]
    assert shown(662) == [True, True, True, True, False]


@given(st.lists(rows, min_size=100, max_size=200))
def test_percentiles_are_of_the_transactions_alone(many: list[dict[str, Any]]) -> None:
    transactions_ms = [one["latency_ms"] for one in many if not one["failure"]]
    (shown,) = latency_percentiles(table(*many), (50.0,))
    if shown.latency_ms is None:
        assert len(transactions_ms) < shown.samples_needed
    else:
        assert shown.latency_ms == percentile(transactions_ms, 50.0)


def is_answered(one: dict[str, Any]) -> bool:
    return one["failure"] in {"", "http-408", "http-5xx", "shed"}
