"""Each rule finds its cause where the evidence shows it, and nothing just below that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import builders
import pytest
from builders import GIB, MIB, STARTED_AT, deployment_event, failure_count, scaling_decision
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis import diagnosis
from foodbench.analysis.diagnosis import MOST_FINDINGS, RULES, Finding, diagnose, explain
from foodbench.records.deployments import DeploymentEvent, ScalingDecision
from foodbench.records.runs import CellResult
from foodbench.records.traces import ReplicaSummary

FAILED = builders.siege_figures(transactions=97, failed_transactions=1033, availability_percent=8.58)


def cell(*events: DeploymentEvent, **changes: Any) -> CellResult:
    return builders.cell_result(events=events, **changes)


def loaded(**changes: Any) -> Any:
    return builders.load_result(**({"figures": FAILED, "failures": (failure_count(),)} | changes))


def event(reason: str, at_s: float, message: str = "", **changes: Any) -> DeploymentEvent:
    values = {"type": "Warning", "reason": reason, "time_s": STARTED_AT + at_s, "message": message}
    return deployment_event(**values | changes)


def decision(at_s: float, current: int = 1, percent: float | None = 160.0, **changes: Any) -> ScalingDecision:
    wanted = current if percent is None else -(-int(current * percent) // 40)
    values: dict[str, Any] = {
        "time_s": STARTED_AT + at_s,
        "current_replicas": current,
        "utilisation_percent": percent,
        "ratio": None if percent is None else percent / 40,
        "raw_replicas": None if percent is None else wanted,
        "recommended_replicas": wanted,
        "desired_replicas": min(5, wanted),
    }
    return scaling_decision(**values | changes)


def hpa(*decisions: ScalingDecision, elapsed_s: float = 120.0, **changes: Any) -> CellResult:
    load = builders.load_result(figures=builders.siege_figures(elapsed_s=elapsed_s))
    values = {"variant": builders.variant(mode="hpa"), "scaling_decisions": decisions, "load": load}
    return builders.cell_result(**values | changes)


def shared(*connections: int, **changes: Any) -> CellResult:
    total = sum(connections)
    replicas = tuple(
        ReplicaSummary(
            replica=f"replica-{number}",
            connections=taken,
            connections_expected=total / len(connections),
            memory_peak_bytes=MIB,
        )
        for number, taken in enumerate(connections, start=1)
    )
    return cell(resources=builders.resource_summary(replicas=replicas), **changes)


def replica(**changes: Any) -> Any:
    values: dict[str, Any] = {"replica": "replica-1", "memory_peak_bytes": MIB}
    return builders.resource_summary(replicas=(ReplicaSummary(**values | changes),))


FLAP = (
    event("Ready", -9, type="Normal", ready_endpoints=1),
    event("Unhealthy", 12.4, "Readiness probe failed: no answer within 1 s", probe_failure="timeout"),
    event("Unhealthy", 13.0, "not ready after 3 failed probes", probe_failure="timeout", ready_endpoints=0),
    event("Ready", 20.0, type="Normal", ready_endpoints=1),
    event("Unhealthy", 24.0, probe_failure="timeout", ready_endpoints=0),
)
KUBELET = 'Readiness probe failed: Get "http://10.244.0.5:5000/test": context deadline exceeded'
KILLED = event("OOMKilled", 3.0, "killed", memory_peak_bytes=4 * GIB)
UNCOUNTED = "2 pods not ready or in the CPU initialisation period, taken to use nothing"

CASES: dict[str, tuple[CellResult, str, str]] = {
    "the report's collapse": (
        cell(*FLAP, load=loaded()),
        "readiness flap",
        ("readiness probe timed out under load at 12.4 s; 0 ready endpoints for 12.5 s; 1,033 connections refused"),
    ),
    "the same in a kubelet's words": (
        cell(
            event("Unhealthy", 12.4, KUBELET),
            load=loaded(),
            resources=builders.resource_summary(without_ready_replica_s=18.1),
        ),
        "readiness flap",
        ("readiness probe timed out under load at 12.4 s; 0 ready endpoints for 18.1 s; 1,033 connections refused"),
    ),
    "out of memory": (
        cell(KILLED, KILLED),
        "out of memory",
        "OOMKilled twice: peak 4 GiB of 4 GiB, first at 3.0 s",
    ),
    "out of memory before it was ready": (
        builders.cell_result(status="failed", events=(event("OOMKilled", 0.0),)),
        "out of memory",
        "OOMKilled once: above 4 GiB",
    ),
    "crash": (
        cell(event("Error", 4.0, "its process ended by signal 11"), load=loaded()),
        "restarts",
        "a replica ended and was restarted once: its process ended by signal 11; 1,033 connections refused",
    ),
    "crash loop of a pod": (
        cell(event("BackOff", 4.0, "back-off"), resources=replica(restarts=3)),
        "restarts",
        "a replica ended and was restarted 3 times: back-off",
    ),
    "failed": (
        builders.cell_result(status="failed"),
        "not deployed",
        "replica-1 ended with code 1 before it was ready",
    ),
    "shed": (
        cell(load=loaded(failures=(failure_count(kind="shed", count=7),)), resources=replica(queue_depth_peak=64)),
        "queue full",
        (
            "more requests came than the service can answer (15.8/s): its queue of 64 requests was full;"
            " 7 requests shed (503 with Retry-After)"
        ),
    ),
    "shed at the most replicas": (
        hpa(decision(15, 5, 40.0), load=loaded(failures=(failure_count(kind="shed", count=1),))),
        "queue full",
        (
            "more requests came than the service can answer with all its replicas (15.8/s): its queue was full;"
            " 1 request shed (503 with Retry-After)"
        ),
    ),
    "time-outs": (
        cell(load=loaded(failures=(failure_count(kind="timeout", count=2),))),
        "requests too slow",
        "answers took longer than the 30 s a request may take; 2 requests timed out",
    ),
    "nothing names a cause": (
        cell(event("Unhealthy", -5, "not yet"), load=loaded()),
        "no cause recorded",
        (
            "no event names a cause; the first error, at 12.4 s, was: [Errno 111] Connection refused;"
            " 1,033 connections refused"
        ),
    ),
    "no metrics yet": (
        hpa(decision(15, 1, None), decision(30, 1, None), decision(45)),
        "no metrics",
        "HPA held at 1 replica for 45 s: no metrics yet",
    ),
    "no metrics ever": (
        hpa(decision(15, 2, None), decision(30, 2, None), elapsed_s=40),
        "no metrics",
        "HPA held at 2 replicas for 40 s: no metrics",
    ),
    "pods that do not count": (
        hpa(*(decision(at, 2, recommended_replicas=2, desired_replicas=2, weakened_by=UNCOUNTED) for at in (15, 30))),
        "pods not counted",
        f"HPA held at 2 replicas for 30 s though the metrics asked for 8: {UNCOUNTED}",
    ),
    "at its maximum": (
        hpa(decision(15), *(decision(at, 5, 69.0) for at in (30, 45, 60, 75))),
        "HPA at its maximum",
        "HPA at its maximum of 5 replicas for 60 s and still at 69 % CPU, target 40 %",
    ),
    "scaled too late": (
        hpa(
            decision(15, percent=42.0, desired_replicas=1),
            decision(60),
            events=(event("Ready", -9, ready_endpoints=1), event("Ready", 61.5, ready_endpoints=4)),
        ),
        "scaled too late",
        "HPA scaled from 1 to 4 replicas, ready only after 62 s of a load of 120 s",
    ),
    "scaled and never ready": (
        hpa(decision(15), events=(event("Ready", -9, ready_endpoints=1), event("Ready", 20, ready_endpoints=3))),
        "scaled too late",
        "HPA scaled from 1 to 4 replicas, never all ready of a load of 120 s",
    ),
    "generator": (
        cell(load=builders.load_result(generator_cpu_cores=0.9)),
        "load generator",
        "the load generator used 0.90 of the one core it can use: it, not the service, set the rate",
    ),
    "throttled": (
        cell(resources=builders.resource_summary(throttled_fraction=0.62)),
        "CPU limit",
        "CPU throttled 62 % of the time by the limit of 1 core a replica",
    ),
    "connection skew": (
        shared(710, 145, 145),
        "connection skew",
        (
            "replica-1 took 71 % of the 1,000 connections, a random choice gives 33 %"
            " (so uneven by chance: below 1 in a million)"
        ),
    ),
    "connections that stay": (
        shared(9, 1, 0, 0, 0, load=builders.load_result(profile=builders.load_profile(connection="keep-alive"))),
        "connection skew",
        "replica-1 took 90 % of the 10 connections, a random choice gives 20 % (so uneven by chance: 2e-05)",
    ),
}

HEALTHY: dict[str, CellResult] = {
    "usual": cell(),
    "a warning while it started": cell(event("Unhealthy", -5, "not yet")),
    "a warning that changed nothing": cell(event("Unhealthy", 5, "no answer within 1 s", probe_failure="timeout")),
    "events of the removal": cell(event("Error", 40, "ended"), event("OOMKilled", 40), event("Unhealthy", 40)),
    "half throttled": cell(resources=builders.resource_summary(throttled_fraction=0.5)),
    "a busy generator": cell(load=builders.load_result(generator_cpu_cores=0.899)),
    "uneven by chance": shared(220, 190, 205, 185, 200),
    "few connections that stay": shared(5, 3, 1, 1, 0),
    "a certain but small unevenness": shared(120_000, 100_000, 100_000, 100_000, 80_000),
    "one replica": shared(1_000),
    "scaled": hpa(decision(15), decision(30, 4, 41.0)),
    "one sync over the target at the maximum": hpa(decision(15), decision(30, 5, 69.0), decision(45, 5, 43.0)),
    "at the maximum within the tolerance": hpa(*(decision(at, 5, 44.0) for at in (15, 30, 45))),
    "below the target": hpa(decision(15, 1, None), decision(30, 1, 31.0), decision(45, 1, 20.0)),
    "no metrics before the load": hpa(decision(-15, 1, None), decision(15), decision(30, 4, 40.0)),
    "back into its bounds": hpa(decision(15, 9, None, desired_replicas=5), decision(30, 5, 40.0)),
    "pods that do not count for one sync": hpa(
        decision(15, 2, 48.0, recommended_replicas=2, desired_replicas=2, weakened_by=UNCOUNTED),
        decision(30, 2, 40.0),
    ),
    "scaled in time": hpa(
        decision(45), events=(event("Ready", -9, ready_endpoints=1), event("Ready", 60, ready_endpoints=4))
    ),
    "a replica less for a moment": cell(
        event("Ready", -9, ready_endpoints=2),
        event("Killing", 5, type="Normal", ready_endpoints=1),
        event("Ready", 6, type="Normal", ready_endpoints=2),
    ),
}


@pytest.mark.parametrize(("of", "cause", "evidence"), CASES.values(), ids=CASES.keys())
def test_a_cause_is_found_with_its_evidence_and_the_next_step(of: CellResult, cause: str, evidence: str) -> None:
    (found,) = [finding for finding in diagnose(of) if finding.cause == cause]
    assert found.evidence == evidence
    assert found.next_step
    assert evidence in explain(of)


@pytest.mark.parametrize("of", HEALTHY.values(), ids=HEALTHY.keys())
def test_a_healthy_cell_has_no_finding_and_says_so(of: CellResult) -> None:
    assert diagnose(of) == ()
    assert explain(of).startswith("no fault found: 100.00 % of 465 requests answered")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_without_its_rule_a_cause_is_not_found(
    monkeypatch: pytest.MonkeyPatch, rule: Callable[[CellResult], Finding | None]
) -> None:
    found_by_it = [(of, cause) for of, cause, _ in CASES.values() if (own := rule(of)) and own.cause == cause]
    assert found_by_it
    monkeypatch.setattr(diagnosis, "RULES", tuple(other for other in RULES if other is not rule))
    for of, cause in found_by_it:
        assert cause not in [finding.cause for finding in diagnose(of)]


def test_a_healthy_autoscaler_that_changed_nothing_says_why() -> None:
    assert explain(HEALTHY["below the target"]).endswith("HPA stayed at 1 replica: CPU at most 31 %, target 40 %")


def test_what_explains_most_of_the_lost_requests_comes_first_and_only_few_are_told() -> None:
    failures = (
        failure_count(count=900),
        failure_count(kind="timeout", count=100),
        failure_count(kind="shed", count=33),
    )
    busy = builders.resource_summary(throttled_fraction=0.9)
    found = diagnose(cell(*FLAP, load=loaded(failures=failures, generator_cpu_cores=1.0), resources=busy))
    assert [finding.cause for finding in found] == ["readiness flap", "requests too slow", "queue full"]
    assert len(found) == MOST_FINDINGS
    assert found[0].lost == pytest.approx(900 / 1130)


def test_broken_connections_are_shared_out_by_the_time_without_an_endpoint() -> None:
    events = (
        *FLAP[:4],
        event("OOMKilled", 21.0, memory_peak_bytes=4 * GIB, ready_endpoints=0),
        event("Ready", 23.0, type="Normal", ready_endpoints=1),
    )
    found = {finding.cause: finding.lost for finding in diagnose(cell(*events, load=loaded()))}
    assert found["readiness flap"] == pytest.approx(7 / 9 * 1033 / 1130)
    assert found["out of memory"] == pytest.approx(2 / 9 * 1033 / 1130)


def test_a_process_that_ended_is_not_blamed_on_its_probe() -> None:
    refused = event("Unhealthy", 3.5, "connect: connection refused")
    found = diagnose(cell(KILLED, refused, load=loaded()))
    assert [finding.cause for finding in found] == ["out of memory"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (KUBELET, "timed out"),
        ("Readiness probe failed: dial tcp 10.244.0.5:5000: connect: connection refused", "was refused"),
        ("Readiness probe failed: HTTP probe failed with statuscode: 503", "was answered with an error"),
        ("something else", "failed"),
    ],
)
def test_a_kubelets_message_tells_why_a_probe_failed(message: str, said: str) -> None:
    assert explain(cell(event("Unhealthy", 1, message), load=loaded())).startswith(f"readiness probe {said} under load")


def test_an_explanation_has_one_line_whatever_the_message() -> None:
    failed = builders.cell_result(status="failed", failure="first\nsecond\n\nthird")
    assert explain(failed) == "first second third"


@given(
    st.lists(st.integers(0, 400), min_size=2, max_size=6).filter(any),
    st.integers(2, 50),
)
def test_more_of_the_same_evidence_never_takes_a_skew_away(connections: list[int], factor: int) -> None:
    def is_skewed(counts: list[int]) -> bool:
        return any(finding.cause == "connection skew" for finding in diagnose(shared(*counts)))

    assert is_skewed([factor * count for count in connections]) or not is_skewed(connections)


@given(st.lists(st.tuples(st.floats(0, 28), st.integers(0, 2)), max_size=12))
def test_lost_requests_are_never_explained_twice(changes: list[tuple[float, int]]) -> None:
    reasons = ("Unhealthy", "OOMKilled", "Error")
    events = [
        event(reasons[place % 3], at_s, probe_failure="timeout", ready_endpoints=endpoints)
        for place, (at_s, endpoints) in enumerate(sorted(changes))
    ]
    found = diagnose(cell(*events, load=loaded()))
    assert sum(finding.lost for finding in found) <= 1033 / 1130 * (1 + 1e-9)
