"""The decisions of a real controller (Kubernetes 1.36), sync by sync, from the metrics it had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from foodbench.autoscaling import History, Pod, PodMetric, Scaler, sync

RECORDINGS = Path(__file__).parents[1] / "data" / "hpa-traces"


def read(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    head, *syncs = [json.loads(line) for line in (RECORDINGS / name).read_text().splitlines()]
    return head, syncs


@pytest.mark.parametrize("name", ["a.jsonl", "b.jsonl"])
def test_every_decision_of_a_recorded_controller_is_made_again(name: str) -> None:
    head, syncs = read(name)
    scaler = Scaler(head["min_replicas"], head["max_replicas"], head["target_percent"])
    history = History()
    current = syncs[0]["current"]
    for recorded in syncs:
        assert current == recorded["current"]
        pods = [
            Pod(
                name=pod_name,
                cpu_request_millicores=head["cpu_request_millicores"],
                phase=phase,
                ready=ready,
                ready_changed_at_s=ready_changed_at_s,
                started_at_s=started_at_s,
                deleting=deleting,
            )
            for pod_name, phase, ready, ready_changed_at_s, started_at_s, deleting in recorded["pods"]
        ]
        metrics = {pod_name: PodMetric(*metric) for pod_name, metric in recorded["metrics"].items()}
        decision, history = sync(scaler, history, pods, metrics, current_replicas=current, now_s=recorded["now_s"])
        assert decision.utilisation_percent == recorded["utilisation_percent"]
        assert decision.recommended_replicas == recorded["proposed"]
        assert decision.desired_replicas == recorded["desired"]
        current = decision.desired_replicas


def test_the_recordings_hold_scale_ups_in_steps_and_a_late_scale_down() -> None:
    """What makes the comparison above worth something."""
    for name, sizes in (("a.jsonl", [1, 3, 5, 1]), ("b.jsonl", [1, 2, 4, 5, 2, 1])):
        _, syncs = read(name)
        seen = [syncs[0]["current"]]
        for recorded in syncs:
            if recorded["desired"] != seen[-1]:
                seen.append(recorded["desired"])
        assert seen[: len(sizes)] == sizes or seen == sizes[: len(seen)]
        assert len(seen) >= 4


def test_a_pod_without_any_metric_leaves_the_replicas_alone() -> None:
    """As recorded on a cluster without metrics-server: it never acts, and never scales to zero."""
    pod = Pod("p", 100, "running", ready=True, ready_changed_at_s=1, started_at_s=0)
    history = History()
    for now_s in range(20, 65, 15):
        decision, history = sync(Scaler(1, 5, 40), history, [pod], {}, current_replicas=1, now_s=now_s)
        assert decision.utilisation_percent is None
        assert decision.desired_replicas == 1
        assert decision.limited_by == "no metrics yet"
