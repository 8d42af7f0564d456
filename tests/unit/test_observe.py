"""The sampler writes what it really read, when it really read it, and says so when it could not."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.observe import COUNTS_FILE, REPLICAS_FILE, watching
from foodbench.observe.rates import Reading, cpu_cores, next_turn
from foodbench.records.traces import DEPLOYMENT_COLUMNS, REPLICA_COLUMNS, ReplicaUsage, ServiceCounters
from foodbench.streams import read_stream

DEADLINE_S = 30.0


def usage(cpu_s: float = 0.0, replica: str = "a", throttled_s: float | None = None) -> ReplicaUsage:
    return ReplicaUsage(replica=replica, memory_bytes=1_000, cpu_s=cpu_s, throttled_s=throttled_s, ready=True)


@dataclass
class Scripted:
    """A source that gives what it is told, and lets a test wait until it was asked so many times."""

    read: Callable[[int], tuple[ReplicaUsage, ...]]
    asked: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    counted: int = 0
    may_count: threading.Event = field(default_factory=threading.Event)
    counting_fails: bool = False

    def __post_init__(self) -> None:
        self.may_count.set()

    def usage(self) -> tuple[ReplicaUsage, ...]:
        with self.changed:
            self.asked += 1
            self.changed.notify_all()
        return self.read(self.asked - 1)

    def service_counters(self) -> dict[str, ServiceCounters]:
        assert self.may_count.wait(DEADLINE_S)
        if self.counting_fails:
            raise PermissionError("no such right")
        self.counted += 1
        return {"a": ServiceCounters(requests=self.counted, shed=0, queue_depth=7)}

    def replica_counts(self) -> tuple[int, int]:
        return 1, 2

    def wait_until_asked(self, times: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked >= times, DEADLINE_S)


def replicas(directory: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_stream(directory / REPLICAS_FILE, REPLICA_COLUMNS).to_pylist()
    return rows


@given(st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0.01, 1e3), st.floats(0, 2e9))
def test_a_rate_times_its_interval_is_what_was_used(before_s: float, used_s: float, passed_s: float, at: float) -> None:
    before = Reading(at, usage(before_s))
    now = Reading(at + passed_s, usage(before_s + used_s))
    cores = cpu_cores(now, before)
    assert cores * (now.time_s - before.time_s) == pytest.approx(now.usage.cpu_s - before.usage.cpu_s)
    assert cores >= 0


@pytest.mark.parametrize("before", [None, Reading(9.0, usage(5.0)), Reading(10.0, usage(1.0))])
def test_a_rate_is_unknown_at_first_after_a_restart_and_over_no_time(before: Reading | None) -> None:
    assert math.isnan(cpu_cores(Reading(10.0, usage(2.0)), before))


def test_samples_are_taken_from_the_first_moment_to_the_last(tmp_path: Path) -> None:
    source = Scripted(lambda turn: (usage(0.5 * turn), usage(0.0, "b", throttled_s=3.0)))
    with watching(source, tmp_path, interval_s=3_600):
        source.wait_until_asked(1)
    rows = replicas(tmp_path)
    assert [row["replica"] for row in rows] == ["a", "b"] * 2
    first, last = rows[0], rows[2]
    assert math.isnan(first["cpu_cores"])
    assert last["cpu_cores"] * (last["time_s"] - first["time_s"]) == pytest.approx(0.5)
    assert math.isnan(last["throttled_s"])
    assert rows[3]["throttled_s"] == 3.0
    counts = read_stream(tmp_path / COUNTS_FILE, DEPLOYMENT_COLUMNS).to_pylist()
    assert [(count["ready_replicas"], count["desired_replicas"]) for count in counts] == [(1, 2)] * 2
    assert [count["time_s"] for count in counts] == [first["time_s"], last["time_s"]]


def test_the_services_counters_join_the_next_sample_and_the_last(tmp_path: Path) -> None:
    source = Scripted(lambda turn: (usage(turn), usage(turn, "b")))
    with watching(source, tmp_path, interval_s=0.01):
        source.wait_until_asked(8)
    rows = [row for row in replicas(tmp_path) if row["replica"] == "a"]
    told = [row["requests"] for row in rows if not math.isnan(row["requests"])]
    assert 2 <= len(told) < len(rows)
    assert told == sorted(told)
    assert rows[-1]["requests"] == source.counted
    assert rows[-1]["queue_depth"] == 7
    assert math.isnan(rows[-1]["connections"])
    assert all(math.isnan(row["requests"]) for row in replicas(tmp_path) if row["replica"] == "b")


def test_counters_that_take_long_hold_up_no_sample(tmp_path: Path) -> None:
    source = Scripted(lambda turn: (usage(turn),))
    source.may_count.clear()
    with watching(source, tmp_path, interval_s=0.01):
        source.wait_until_asked(5)
        assert len(replicas(tmp_path)) >= 4
        source.may_count.set()


def test_what_breaks_the_counters_is_raised_at_the_end(tmp_path: Path) -> None:
    source = Scripted(lambda turn: (usage(turn),), counting_fails=True)
    with pytest.raises(PermissionError, match="no such right"), watching(source, tmp_path, interval_s=0.01):
        source.wait_until_asked(1)


def test_each_sample_is_on_disk_while_the_load_goes_on(tmp_path: Path) -> None:
    source = Scripted(lambda turn: (usage(turn),))
    with watching(source, tmp_path, interval_s=0.01):
        # When the third reading is asked for, two are written.
        source.wait_until_asked(3)
        assert len(replicas(tmp_path)) >= 2
    assert len(replicas(tmp_path)) == source.asked


@given(st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0.01, 60))
def test_a_late_sampler_waits_for_its_next_turn_and_makes_up_for_none(due_s: float, late_s: float, step: float) -> None:
    now_s = due_s + late_s
    turn_s = next_turn(due_s, now_s, step)
    assert now_s <= turn_s <= now_s + step * (1 + 1e-9) + 1e-6
    turns = (turn_s - due_s) / step
    assert turns == pytest.approx(round(turns), abs=1e-4)


def test_a_slow_reading_leaves_a_gap(tmp_path: Path) -> None:
    interval_s, slow_s = 0.05, 0.4
    never = threading.Event()

    def read(turn: int) -> tuple[ReplicaUsage, ...]:
        if turn == 1:
            never.wait(slow_s)
        return (usage(turn),)

    source = Scripted(read)
    with watching(source, tmp_path, interval_s=interval_s):
        source.wait_until_asked(4)
    times = [row["time_s"] for row in replicas(tmp_path)]
    assert times[2] - times[0] > slow_s
    assert max(times[1] - times[0], times[2] - times[1]) > 2 * interval_s


def test_what_breaks_the_sampler_is_raised_at_the_end(tmp_path: Path) -> None:
    def read(turn: int) -> tuple[ReplicaUsage, ...]:
        if turn == 1:
            raise PermissionError("no such right")
        return (usage(),)

    source = Scripted(read)
    reached: list[str] = []

    def load() -> None:
        with watching(source, tmp_path, interval_s=0.01):
            source.wait_until_asked(2)
            reached.append("the end")

    with pytest.raises(PermissionError, match="no such right"):
        load()
    assert reached == ["the end"]
    assert len(replicas(tmp_path)) == 1


def test_an_error_of_the_block_goes_first_and_carries_the_samplers(tmp_path: Path) -> None:
    def read(_turn: int) -> tuple[ReplicaUsage, ...]:
        raise PermissionError("no such right")

    source = Scripted(read)

    def load() -> None:
        with watching(source, tmp_path):
            source.wait_until_asked(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        load()
    assert "no such right" in raised.value.__notes__[0]


def test_a_stream_that_is_there_already_is_an_error_and_is_kept(tmp_path: Path) -> None:
    (tmp_path / REPLICAS_FILE).write_bytes(b"precious")
    with pytest.raises(FileExistsError), watching(Scripted(lambda _turn: ()), tmp_path):
        pass
    assert (tmp_path / REPLICAS_FILE).read_bytes() == b"precious"


@pytest.mark.parametrize("interval_s", [0.0, -1.0, math.nan])
def test_no_interval_is_refused(tmp_path: Path, interval_s: float) -> None:
    with pytest.raises(ValueError, match="Received"), watching(Scripted(lambda _turn: ()), tmp_path, interval_s):
        pass
