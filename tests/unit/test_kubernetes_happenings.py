"""What a real cluster was recorded to say becomes the events and decisions that every target writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorded import recordings

from foodbench.deploy.kubernetes.happenings import decision_of, endings_of, event_of, ready_changes, seconds
from foodbench.deploy.kubernetes.recording import Recorder, recording
from foodbench.errors import RunFailed
from foodbench.records.deployments import DeploymentEvent, ScalingDecision
from foodbench.records.experiments import Autoscaling
from foodbench.store import read_lines

BOUNDS = Autoscaling(min_replicas=1, max_replicas=5, target_cpu_percent=40)

NOW_S = 1_800_000_000.0


def snapshot(recording_name: str) -> dict[str, Any]:
    return dict(next(one["objects"] for one in recordings("snapshots") if one["recording"] == recording_name))


def trace(name: str) -> list[ScalingDecision]:
    """Return the decisions of a recorded autoscaler, from its status as it was polled."""
    found = [one["objects"]["autoscaler"] for one in recordings("snapshots") if one["recording"] == f"{name}/trace"]
    return [decision_of(autoscaler, BOUNDS, NOW_S) for autoscaler in found]


@pytest.mark.parametrize(("name", "sizes"), [("hpa-trace-a", [1, 3, 5, 1]), ("hpa-trace-b", [1, 2, 4, 5, 2, 1])])
def test_a_recorded_autoscaler_decides_what_it_was_seen_to_decide(name: str, sizes: list[int]) -> None:
    decisions = trace(name)
    assert [one.limited_by for one in decisions][:2] == ["no metrics yet", "no metrics yet"]
    # A fresh autoscaler shows a desired number of 0: it has decided nothing, and scales nothing to zero.
    seen = [decisions[0].desired_replicas]
    for decision in decisions:
        if decision.desired_replicas != seen[-1]:
            seen.append(decision.desired_replicas)
        assert (decision.utilisation_percent is None) == (decision.ratio is None)
        if decision.ratio is not None:
            assert decision.ratio == pytest.approx((decision.utilisation_percent or 0.0) / 40)
    assert seen == sizes


def test_a_decision_that_was_limited_says_by_what_and_what_the_ratio_asked_for() -> None:
    limited = [one for one in trace("hpa-trace-a") if "maximum" in one.limited_by]
    assert limited
    assert all(one.recommended_replicas > one.desired_replicas == 5 for one in limited)
    stabilised = [
        one for name in ("hpa-trace-a", "hpa-trace-b") for one in trace(name) if "recent recomm" in one.limited_by
    ]
    assert len(stabilised) == 3
    assert all(one.recommended_replicas <= one.desired_replicas for one in stabilised)
    (faster,) = {one for one in trace("hpa-trace-b") if "scale rate" in one.limited_by}
    assert (faster.current_replicas, faster.recommended_replicas, faster.desired_replicas) == (2, 9, 4)


def test_a_decision_that_no_condition_explains_is_explained_by_pods_that_did_not_count() -> None:
    decisions = [one for name in ("hpa-trace-a", "hpa-trace-b") for one in trace(name)]
    weakened = [one for one in decisions if one.weakened_by]
    assert {(one.current_replicas, one.desired_replicas, one.limited_by) for one in weakened} == {(3, 3, "")}
    assert all("did not count" in one.weakened_by and (one.ratio or 0.0) > 1.1 for one in weakened)


def test_events_name_pods_as_replicas_and_keep_kind_and_time() -> None:
    events = [event_of(event) for event in snapshot("readiness-flap/siege-default-1/after")["events"]]
    *_, unhealthy = [event for event in events if event.reason == "Unhealthy"]
    assert "context deadline exceeded" in unhealthy.message
    assert unhealthy.type == "Warning"
    assert (unhealthy.replica or "").startswith("app-")
    assert "Readiness probe failed" in unhealthy.message
    assert all(event.time_s > 1_700_000_000 for event in events)
    assert {event.replica for event in events if event.reason == "ScalingReplicaSet"} == {None}


def test_a_pod_that_has_not_started_yet_is_not_an_unhealthy_one() -> None:
    message = 'Startup probe failed: Get "http://10.78.0.51:5000/readyz": dial tcp: connect: connection refused'
    assert event_of({"reason": "Unhealthy", "message": message}).reason == "NotStarted"


@pytest.mark.parametrize(
    ("name", "reason"), [("oom-killed", "OOMKilled"), ("oom-killed/running", "OOMKilled"), ("crash-loop", "Error")]
)
def test_an_end_that_no_event_tells_is_told_by_the_pod(name: str, reason: str) -> None:
    (pod,) = snapshot(name)["pods"]
    assert {ending.reason for ending in endings_of(pod)} == {reason}
    assert all(ending.time_s > 1_700_000_000 for ending in endings_of(pod))
    (healthy,) = snapshot("healthy-single")["pods"]
    assert list(endings_of(healthy)) == []


def test_endpoints_come_and_go_with_their_reason() -> None:
    (ready,) = snapshot("readiness-flap/siege-default-1/before")["pods"]
    (unready,) = snapshot("readiness-flap/siege-default-1/not-ready")["pods"]
    name = ready["metadata"]["name"]
    (came,) = ready_changes(frozenset(), [ready], NOW_S)
    assert (came.reason, came.ready_endpoints) == ("Ready", 1)
    (left,) = ready_changes(frozenset({name}), [unready], NOW_S)
    assert (left.reason, left.ready_endpoints) == ("Unhealthy", 0)
    assert left.time_s > came.time_s
    (gone,) = ready_changes(frozenset({name}), [], NOW_S)
    assert (gone.reason, gone.ready_endpoints, gone.time_s) == ("Killing", 0, NOW_S)
    ending = {**ready, "metadata": {**ready["metadata"], "deletionTimestamp": "2026-11-24T15:00:00Z"}}
    (leaves,) = ready_changes(frozenset({name}), [ending], NOW_S)
    assert (leaves.reason, leaves.ready_endpoints) == ("Killing", 0)
    assert ready_changes(frozenset({name}), [ready], NOW_S) == ()


def test_five_pods_that_became_ready_are_counted_in_the_order_in_which_they_did() -> None:
    pods = snapshot("hpa-trace-a/loaded")["pods"]
    changes = ready_changes(frozenset(), pods, NOW_S)
    assert [change.ready_endpoints for change in changes] == [1, 2, 3, 4, 5]
    assert [change.time_s for change in changes] == sorted(change.time_s for change in changes)


def test_what_is_no_moment_is_none() -> None:
    assert seconds("soon") == 0.0
    assert seconds("2026-11-24T14:43:52Z") == 1_795_531_432.0


class Watched:
    """An observer of recorded objects."""

    def __init__(self, objects: dict[str, Any]) -> None:
        self.objects = objects

    def pods(self) -> list[Any]:
        return list(self.objects["pods"])

    def events(self) -> list[Any]:
        return list(self.objects["events"])

    def autoscalers(self) -> list[Any]:
        return [self.objects["autoscaler"]]


def test_nothing_is_written_twice_whoever_looks(tmp_path: Path) -> None:
    watched = Watched(snapshot("hpa-trace-a/loaded"))
    first = Recorder(watched, tmp_path, BOUNDS)  # type: ignore[arg-type]  # all of it that is used
    first.look()
    first.look()
    events = read_lines(tmp_path / "events.jsonl", DeploymentEvent)
    assert len(events) == len(set(events)) > 36
    assert len(read_lines(tmp_path / "decisions.jsonl", ScalingDecision)) == 1
    watched.objects = snapshot("hpa-trace-a")
    Recorder(watched, tmp_path, BOUNDS).look()  # type: ignore[arg-type]
    later = read_lines(tmp_path / "events.jsonl", DeploymentEvent)
    assert later[: len(events)] == events
    assert len(later) == len(set(later))
    assert len(read_lines(tmp_path / "decisions.jsonl", ScalingDecision)) == 2


def test_what_fails_the_recorder_is_raised_at_the_end() -> None:
    def look() -> None:
        raise RunFailed("the API server cannot be reached")

    reached = []
    with pytest.raises(RunFailed, match="cannot be reached"), recording(look):
        reached.append(True)
    assert reached
    with pytest.raises(ValueError, match="the load itself") as failed, recording(look):
        raise ValueError("the load itself")
    assert "cannot be reached" in failed.value.__notes__[0]


def test_looks_are_taken_from_the_first_moment_to_the_last() -> None:
    looks = []
    with recording(lambda: looks.append(True)):
        pass
    assert len(looks) >= 2
