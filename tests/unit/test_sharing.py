"""What each replica took, and what chance would have given it."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis.sharing import Share, shares

SCHEMA = pa.schema(
    [("time_s", pa.float64()), ("replica", pa.string()), ("ready", pa.bool_()), ("requests", pa.float64())]
)


def row(time_s: float, replica: str, requests: float = math.nan, *, ready: bool = True) -> dict[str, Any]:
    return {"time_s": time_s, "replica": replica, "ready": ready, "requests": requests}


def of(*rows: dict[str, Any]) -> dict[str, Share]:
    return shares(pa.Table.from_pylist(list(rows), schema=SCHEMA), "requests")


def test_what_was_counted_before_is_left_out_and_all_is_split_evenly() -> None:
    found = of(row(0, "a", 100), row(0, "b", 40), row(5, "a", 130), row(5, "b", 50))
    assert found == {"a": Share(30, 20.0), "b": Share(10, 20.0)}


def test_a_replica_added_late_owes_nothing_for_the_time_before() -> None:
    rows = [row(at, "a", 10.0 * at) for at in range(11)] + [row(at, "b", 5.0 * (at - 5)) for at in range(6, 11)]
    found = of(*rows)
    assert found["b"].taken == 25
    assert found["b"].expected == pytest.approx(75 / 2)
    assert found["a"].expected == pytest.approx(50 + 75 / 2)


def test_a_replica_that_is_unready_is_given_nothing_meanwhile() -> None:
    rows = [row(at, "a", 10.0 * at) for at in range(5)] + [row(at, "b", 0, ready=False) for at in range(5)]
    assert of(*rows) == {"a": Share(40, 40.0), "b": Share(0, 0.0)}


def test_a_counter_that_begins_anew_counts_on() -> None:
    found = of(row(0, "a", 50), row(1, "a", 60), row(2, "a", 7), row(3, "a", 9))
    assert found["a"].taken == 10 + 7 + 2


def test_a_reading_that_is_missing_is_spread_over_its_interval() -> None:
    rows = [row(at, "a", 10.0 * at) for at in range(5)]
    rows += [row(at, "b", math.nan if at in (1, 2, 3) else 10.0 * at) for at in range(5)]
    assert of(*rows) == {"a": Share(40, 40.0), "b": Share(40, 40.0)}


@pytest.mark.parametrize("rows", [[], [row(0, "a", 5)], [row(0, "a"), row(1, "a")]], ids=["none", "one", "unread"])
def test_too_few_readings_say_nothing(rows: list[dict[str, Any]]) -> None:
    assert of(*rows) == {}


counters = st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=1, max_size=5)


@given(counters, st.data())
def test_what_all_took_is_what_chance_gives_all(steps: list[list[int]], data: st.DataObject) -> None:
    """As long as some replica is ready, expectations add up to what was taken."""
    rows = []
    for number, rises in enumerate(steps):
        total = data.draw(st.integers(0, 1000))
        for at in range(5):
            total += rises[at - 1] if at else 0
            rows.append(row(at, f"r{number}", total, ready=number == 0 or data.draw(st.booleans())))
    found = of(*rows)
    assert sum(share.taken for share in found.values()) == sum(map(sum, steps))
    assert sum(share.expected for share in found.values()) == pytest.approx(sum(map(sum, steps)))
    assert all(share.expected >= 0 for share in found.values())
