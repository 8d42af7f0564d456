"""What the means over time are worth: the laws of integration, and what gaps and restarts do to them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis.resources import during, step_mean, summarise_resources
from foodbench.errors import InvalidMeasurement
from foodbench.records.traces import DEPLOYMENT_COLUMNS, REPLICA_COLUMNS, ResourceSummary

ARROW_TYPES = {"float64": pa.float64(), "int64": pa.int64(), "string": pa.string(), "bool": pa.bool_()}
BEGAN_AT = 1_700_000_000.0
MIB = 2**20


def usage(
    at_s: float,
    replica: str = "a",
    memory: int = 100,
    cores: float = 0.5,
    throttled: float = math.nan,
    **more: float,
) -> Any:
    service = dict.fromkeys(("memory_peak_bytes", "connections", "requests", "shed", "queue_depth"), math.nan)
    return {
        "time_s": BEGAN_AT + at_s,
        "replica": replica,
        "memory_bytes": memory * MIB,
        "cpu_cores": cores,
        "throttled_s": throttled,
        "ready": True,
        "restarts": 0,
        **service,
        **more,
    }


def summary(usages: list[Any], ready: dict[float, int] | None = None) -> ResourceSummary:
    times = sorted({one["time_s"] for one in usages})
    counted = dict.fromkeys(times, 1) if ready is None else {BEGAN_AT + at: count for at, count in ready.items()}
    counts = [{"time_s": at, "ready_replicas": count, "desired_replicas": count} for at, count in counted.items()]
    return summarise_resources(
        pa.Table.from_pylist(usages, schema=schema(REPLICA_COLUMNS)),
        pa.Table.from_pylist(counts, schema=schema(DEPLOYMENT_COLUMNS)),
        memory_loaded_bytes=77,
        interval_s=1.0,
    )


def schema(columns: Any) -> pa.Schema:
    return pa.schema([(name, ARROW_TYPES[kind]) for name, kind in columns.items()])


# Rounded: products of the smallest floats there are would round to nothing.
values = st.floats(0, 1e9).map(lambda value: round(value, 6))
steps = st.lists(st.tuples(st.floats(0.01, 5), values), min_size=2, max_size=50)


def as_function(pairs: list[tuple[float, float]]) -> tuple[Any, Any]:
    return np.cumsum([length for length, _value in pairs]), np.asarray([value for _length, value in pairs])


@given(steps)
def test_a_mean_lies_between_the_smallest_and_the_largest_value(pairs: list[tuple[float, float]]) -> None:
    times, values = as_function(pairs)
    assert min(values) * (1 - 1e-9) <= step_mean(times, values, 1.0) <= max(values) * (1 + 1e-9)


@given(steps, st.floats(0.1, 10), st.floats(0, 1e6))
def test_a_mean_is_linear(pairs: list[tuple[float, float]], factor: float, shift: float) -> None:
    times, values = as_function(pairs)
    expected = factor * step_mean(times, values, 1.0) + shift
    assert step_mean(times, factor * values + shift, 1.0) == pytest.approx(expected)


@given(steps, st.data())
def test_a_sample_that_repeats_the_value_before_changes_nothing(
    pairs: list[tuple[float, float]], data: st.DataObject
) -> None:
    """A step function does not depend on how often it is read while it holds."""
    times, values = as_function(pairs)
    after = data.draw(st.integers(0, len(times) - 2))
    middle = (times[after] + times[after + 1]) / 2
    more_times, more_values = np.insert(times, after + 1, middle), np.insert(values, after + 1, values[after])
    wide = 1_000.0
    assert step_mean(more_times, more_values, wide) == pytest.approx(step_mean(times, values, wide))


@given(steps, st.data())
def test_a_mean_is_that_of_its_parts_by_their_length(pairs: list[tuple[float, float]], data: st.DataObject) -> None:
    times, values = as_function(pairs)
    cut, wide = data.draw(st.integers(1, len(times) - 1)), 1_000.0
    parts = [slice(0, cut + 1), slice(cut, len(times))]
    lengths = [times[part][-1] - times[part][0] for part in parts]
    means = [step_mean(times[part], values[part], wide) for part in parts]
    assert np.average(means, weights=lengths) == pytest.approx(step_mean(times, values, wide))


def test_only_the_time_of_the_load_counts() -> None:
    """Not the idling before and after it, while the generator starts and ends."""
    usages = [usage(at, memory=500 if 3 <= at < 6 else 100, cores=1.0 if 3 < at <= 6 else 0.0) for at in range(10)]
    table = pa.Table.from_pylist(usages, schema=schema(REPLICA_COLUMNS))
    loaded = during(table, BEGAN_AT + 3.4, BEGAN_AT + 5.6)
    assert [at - BEGAN_AT for at in loaded["time_s"].to_pylist()] == [3, 4, 5, 6]
    result = summary(loaded.to_pylist())
    assert result.memory_total_mean_bytes == 500 * MIB
    assert result.cpu_total_mean_cores == pytest.approx(1.0)
    assert len(during(table, BEGAN_AT - 5, BEGAN_AT + 50)) == len(table)
    assert during(table.slice(0, 0), BEGAN_AT, BEGAN_AT + 1).num_rows == 0


def test_samples_count_for_as_long_as_they_hold() -> None:
    result = summary([usage(0, memory=100), usage(0.5, memory=400), usage(2, memory=1_000)])
    assert result.memory_total_mean_bytes == round((0.5 * 100 + 1.5 * 400) / 2 * MIB)
    assert result.memory_total_peak_bytes == 1_000 * MIB
    assert result.memory_loaded_bytes == 77
    assert (result.samples, result.gaps) == (3, 0)


def test_what_happened_in_a_gap_is_not_made_up() -> None:
    result = summary([usage(0, memory=100), usage(1, memory=300), usage(61, memory=200), usage(62, memory=0)])
    assert result.gaps == 1
    assert result.memory_total_mean_bytes == 150 * MIB


def test_cpu_is_known_over_a_gap_because_counters_are() -> None:
    result = summary([usage(0, cores=math.nan), usage(1, cores=1.0), usage(11, cores=0.1)])
    assert result.cpu_total_mean_cores == pytest.approx((1.0 + 10 * 0.1) / 11)


def test_replicas_add_up_and_are_averaged_by_how_long_they_lived() -> None:
    usages = [usage(at, "a", memory=100) for at in range(5)]
    usages += [usage(at, "b", memory=300, cores=math.nan if at == 2 else 0.5) for at in range(2, 5)]
    result = summary(usages, ready={0: 1, 1: 1, 2: 1, 3: 2, 4: 2})
    assert result.memory_total_mean_bytes == round((2 * 100 + 2 * 400) / 4 * MIB)
    assert result.memory_per_replica_mean_bytes == round((4 * 100 + 2 * 300) / 6 * MIB)
    assert (result.memory_per_replica_peak_bytes, result.memory_total_peak_bytes) == (300 * MIB, 400 * MIB)
    assert result.cpu_total_mean_cores == pytest.approx((4 * 0.5 + 2 * 0.5) / 4)
    assert (result.replicas_mean, result.replicas_peak) == (1.25, 2)


def test_a_time_without_any_replica_counts_as_no_memory() -> None:
    result = summary([usage(0), usage(1), usage(3)], ready={0: 1, 1: 0, 2: 0, 3: 1})
    assert result.memory_total_mean_bytes == round(200 / 3 * MIB)
    assert result.memory_per_replica_mean_bytes == 100 * MIB


def test_throttling_is_the_share_of_the_time_held_back() -> None:
    usages = [usage(at, "a", throttled=5 + 0.5 * at) for at in range(4)]
    usages += [usage(at, "b", throttled=0) for at in range(4)]
    assert summary(usages).throttled_fraction == pytest.approx(0.25)


def test_throttling_is_unknown_where_it_cannot_be_read_and_never_more_than_all() -> None:
    assert summary([usage(0), usage(1)]).throttled_fraction is None
    assert summary([usage(0, throttled=0), usage(1, throttled=3)]).throttled_fraction == 1.0


def test_a_replica_started_again_does_not_count_backwards() -> None:
    usages = [usage(0, throttled=9), usage(1, throttled=9.5), usage(2, throttled=0, cores=math.nan)]
    usages += [usage(3, throttled=0.5)]
    result = summary(usages)
    assert result.throttled_fraction == pytest.approx(0.5)
    assert result.cpu_total_mean_cores == pytest.approx((0.5 + 0.5) / 3)


def test_each_replica_is_summed_up() -> None:
    usages = [
        usage(at, "a", memory=100 + at, throttled=0.5 * at, requests=50 + 10 * at, shed=at, queue_depth=9 - at)
        for at in range(4)
    ]
    usages += [usage(at, "b", memory=100, restarts=at // 2, memory_peak_bytes=900 * MIB) for at in range(4)]
    first, second = summary(usages, ready={0: 1, 1: 0, 3: 0, 4: 1}).replicas
    assert (first.replica, first.connections, first.connections_expected, first.requests) == ("a", 30, 30.0, 30)
    assert (first.shed, first.queue_depth_peak, first.restarts) == (3, 9, 0)
    assert first.memory_peak_bytes == 103 * MIB
    assert first.throttled_fraction == pytest.approx(0.5)
    assert (second.replica, second.connections, second.requests, second.queue_depth_peak) == ("b", None, None, None)
    assert (second.restarts, second.memory_peak_bytes, second.throttled_fraction) == (1, 900 * MIB, None)


def test_the_time_without_a_ready_replica_leaves_gaps_out() -> None:
    usages = [usage(at) for at in range(20)]
    assert summary(usages, ready={0: 1, 1: 0, 3: 0, 4: 1, 10: 0, 19: 1}).without_ready_replica_s == pytest.approx(3.0)


def test_one_sample_is_its_own_mean() -> None:
    result = summary([usage(0, memory=123)])
    assert result.memory_total_mean_bytes == result.memory_per_replica_mean_bytes == 123 * MIB
    assert (result.replicas_mean, result.cpu_total_mean_cores, result.samples) == (1.0, 0.0, 1)


def test_no_sample_is_no_measurement() -> None:
    with pytest.raises(InvalidMeasurement, match="never sampled"):
        summary([])


@given(st.randoms())
def test_the_order_of_the_rows_does_not_matter(random: Any) -> None:
    usages = [usage(at, name, memory=50 + at, cores=0.1 * at, throttled=0.1 * at) for at in range(6) for name in "abc"]
    shuffled = usages.copy()
    random.shuffle(shuffled)
    assert plain(summary(shuffled)) == pytest.approx(plain(summary(usages)))


def plain(of: ResourceSummary) -> dict[str, Any]:
    """Return every number by its place, so that they can be compared approximately."""
    whole = of.model_dump()
    for replica in whole.pop("replicas"):
        name = replica.pop("replica")
        whole |= {f"{name}.{field}": value for field, value in replica.items()}
    return whole
