"""The decisions of a local deployment: probes, back-off, metrics, who leaves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.deploy.local.backoff import BackOff
from foodbench.deploy.local.fleet import choose_leaving, free_slot
from foodbench.deploy.local.haproxy import configuration, first_alert, parse_connections
from foodbench.deploy.local.limits.base import PERIOD_S
from foodbench.deploy.local.limits.duty_cycle import Allowance
from foodbench.deploy.local.metrics import CpuSample, MetricsWindow
from foodbench.deploy.local.probes import ProbeResult, ProbeSettings, Readiness
from foodbench.deploy.local.supervisor import service_command

SETTINGS = ProbeSettings()
GOOD = ProbeResult(ok=True)
BAD = ProbeResult(ok=False, detail="HTTP status 503")


def readiness(results: list[ProbeResult]) -> list[bool]:
    known, seen = Readiness(), []
    for result in results:
        known = known.after(result, SETTINGS)
        seen.append(known.ready)
    return seen


def test_one_success_makes_ready_and_three_failures_in_a_row_unready() -> None:
    assert readiness([BAD, GOOD, BAD, BAD, BAD, BAD, GOOD]) == [False, True, True, True, False, False, True]


def test_failures_count_in_a_row_only() -> None:
    assert readiness([GOOD, BAD, BAD, GOOD, BAD, BAD]) == [True] * 6


def test_probes_are_quick_until_the_first_success_only() -> None:
    waiting = Readiness().after(BAD, SETTINGS)
    assert waiting.next_probe_in_s(SETTINGS) == SETTINGS.starting_period_s
    lost = waiting.after(GOOD, SETTINGS).after(BAD, SETTINGS).after(BAD, SETTINGS).after(BAD, SETTINGS)
    assert not lost.ready
    assert lost.next_probe_in_s(SETTINGS) == SETTINGS.period_s


def test_back_off_grows_to_five_minutes_and_is_forgotten_after_ten() -> None:
    back_off, delays = BackOff(), []
    for _ in range(8):
        delay_s, back_off = back_off.after_crash(ran_s=1)
        delays.append(delay_s)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]
    delay_s, back_off = back_off.after_crash(ran_s=601)
    assert delay_s == 0
    assert back_off.after_crash(ran_s=1)[0] == 10


def sample(time_s: float, cpu_s: float, started_at_s: float = 0.0) -> CpuSample:
    return CpuSample(time_s, started_at_s, cpu_s)


def test_usage_is_the_mean_between_two_samples_over_their_real_distance() -> None:
    window = MetricsWindow.empty().after({"a": sample(100, 50)})
    assert window.metrics == {}
    window = window.after({"a": sample(116, 54)})
    assert window.metrics["a"].usage_nanocores == 250_000_000
    assert (window.metrics["a"].sampled_at_s, window.metrics["a"].window_s) == (116, 16)


def test_a_restarted_replica_has_no_metric_across_its_restart() -> None:
    window = MetricsWindow.empty().after({"a": sample(100, 50)})
    assert window.after({"a": sample(115, 1, started_at_s=110)}).metrics == {}


@pytest.mark.parametrize(("age_s", "has_metric"), [(9.9, False), (10, True), (14.9, True), (15.1, False)])
def test_a_fresh_replica_has_a_metric_since_its_start_if_it_is_ten_seconds_old(
    age_s: float, *, has_metric: bool
) -> None:
    window = MetricsWindow.empty().after({"a": sample(100, 5, started_at_s=100 - age_s)})
    assert ("a" in window.metrics) is has_metric


def test_a_replica_that_is_gone_has_no_metric() -> None:
    window = MetricsWindow.empty().after({"a": sample(100, 1), "b": sample(100, 1)})
    assert set(window.after({"a": sample(115, 2)}).metrics) == {"a"}


@dataclass(frozen=True)
class Ranked:
    name: str
    phase: str = "ready"
    restarts: int = 0
    created_at: float = 0.0


def test_those_not_ready_leave_first_then_the_most_restarted_then_the_youngest() -> None:
    replicas = [
        Ranked("old", created_at=1),
        Ranked("young", created_at=9),
        Ranked("restarted", restarts=2, created_at=1),
        Ranked("starting", phase="starting", created_at=0),
    ]
    order = [replica.name for replica in choose_leaving(replicas, 4)]
    assert order == ["starting", "restarted", "young", "old"]
    assert choose_leaving(replicas, 0) == ()


@given(st.sets(st.integers(0, 20)))
def test_the_free_slot_is_the_lowest_not_taken(taken: set[int]) -> None:
    slot = free_slot(sorted(taken))
    assert slot not in taken
    assert set(range(slot)) <= taken


@given(st.floats(0.05, 4), st.lists(st.floats(0.005, 0.2), min_size=50, max_size=200), st.integers(1, 8))
def test_the_duty_cycle_gives_no_more_than_its_share(cpu_cores: float, steps_s: list[float], threads: int) -> None:
    """However greedy: what is used beyond the share is at most one period's, and one step's of all its threads."""
    allowance = Allowance(cpu_cores, 0.0)
    now_s = used_s = 0.0
    may_run = True
    for step_s in steps_s:
        now_s += step_s
        used_s += step_s * threads if may_run else 0.0
        may_run = allowance.update(now_s, used_s)
    assert used_s <= cpu_cores * now_s + cpu_cores * PERIOD_S + max(steps_s) * threads + 1e-6


@given(st.floats(0.1, 4), st.integers(10, 200))
def test_the_duty_cycle_does_not_hold_back_who_stays_below_the_share(cpu_cores: float, steps: int) -> None:
    allowance = Allowance(cpu_cores, 0.0)
    assert all(allowance.update(step * 0.02, step * 0.02 * cpu_cores * 0.9) for step in range(1, steps))


def test_idle_time_is_not_saved_up_for_longer_than_a_period() -> None:
    allowance = Allowance(0.5, 0.0)
    assert allowance.update(100.0, 0.0)
    assert not allowance.update(100.2, 0.2)


def test_the_load_balancer_is_configured_as_a_service_behaves() -> None:
    text = configuration(listening_fd=7, slots=3, most_connections=500)
    assert "balance random(1)" in text
    assert "retries 0" in text
    assert "bind fd@7" in text
    assert len(re.findall(r"127\.0\.0\.1:9 weight \d+ disabled$", text, re.MULTILINE)) == 3


def test_connections_are_read_from_the_statistics() -> None:
    statistics = (
        "# pxname,svname,qcur,qmax,scur,smax\n"
        "service,FRONTEND,,,9,9\nreplicas,s0,0,0,4,6\nreplicas,s1,0,0,0,6\nreplicas,BACKEND,0,0,4,9\n\n"
    )
    assert parse_connections(statistics) == {0: 4, 1: 0}


def test_the_first_alert_is_the_evidence() -> None:
    assert first_alert("[NOTICE] x\n[ALERT] bad bind\n[ALERT] Fatal errors\n") == "[ALERT] bad bind"
    assert first_alert("") == "it wrote no alert"


@pytest.mark.parametrize(("cores", "threads"), [(0.2, "1"), (1, "1"), (1.5, "2"), (4, "4")])
def test_a_replica_has_a_thread_for_each_core_or_part_of_one(cores: float, threads: str) -> None:
    command = service_command(["program"], Path("bundle"), 4711, cores)
    assert command[0] == "program"
    assert command[command.index("--threads") + 1] == threads
    assert command[command.index("--port") + 1] == "4711"
