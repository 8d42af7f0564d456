"""Pods as replicas, and a target's smaller parts."""

from __future__ import annotations

from typing import Any

import pytest
from builders import deployment
from recorded import observed_from, recordings

from foodbench.deploy.kubernetes.findings import Diagnosis, Observed, failure_of
from foodbench.deploy.kubernetes.kubectl import Kubectl
from foodbench.deploy.kubernetes.reaching import Reached
from foodbench.deploy.kubernetes.reading import cores, memory_bytes
from foodbench.deploy.kubernetes.states import state_of, usage_of
from foodbench.errors import RunFailed

URL = "http://127.0.0.1:30000"


def recorded_state(recording: str) -> Any:
    objects = next(one["objects"] for one in recordings("snapshots") if one["recording"] == recording)
    return state_of(deployment(), observed_from(objects), Reached(URL, "kube-proxy"))


@pytest.mark.parametrize(
    ("recording", "phase", "replica"),
    [
        ("healthy-single", "available", "ready"),
        ("crash-loop", "failed", "back-off"),
        ("image-pull", "failed", "starting"),
        ("unschedulable", "failed", "starting"),
        ("readiness-flap/siege-default-1/not-ready", "failed", "unready"),
        ("readiness-flap/siege-default-1/before", "available", "ready"),
    ],
)
def test_recorded_situations_as_states(recording: str, phase: str, replica: str) -> None:
    state = recorded_state(recording)
    assert state.phase == phase
    assert {one.phase for one in state.replicas} == {replica}
    assert (state.failure is None) == (phase == "available")
    assert state.desired_replicas == 1


def test_all_replicas_of_a_healthy_deployment_are_ready() -> None:
    state = recorded_state("healthy-lb")
    assert state.ready_replicas == state.desired_replicas == 3
    assert all(replica.started_at > 1_700_000_000 for replica in state.replicas)


def test_a_pod_that_is_going_is_draining() -> None:
    going = {"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"startTime": "soon"}}
    (replica,) = state_of(deployment(), Observed(pods=(going,)), Reached(URL, "kube-proxy")).replicas
    assert (replica.phase, replica.started_at) == ("draining", 0.0)


def test_nothing_yet_is_starting() -> None:
    assert state_of(deployment(), Observed(), Reached(URL, "kube-proxy")).phase == "starting"


def test_usage_is_what_the_service_says_of_itself() -> None:
    pod = {"metadata": {"name": "a"}}
    said = "process_resident_memory_bytes 1.048576e+06\nprocess_cpu_seconds_total 3.25\nother 1\n"
    usage = usage_of(pod, said)
    assert usage is not None
    assert (usage.replica, usage.memory_bytes, usage.cpu_s, usage.ready) == ("a", 2**20, 3.25, False)


@pytest.mark.parametrize(
    "said", ["", "process_cpu_seconds_total 1\n", "process_resident_memory_bytes x\nprocess_cpu_seconds_total 1\n"]
)
def test_metrics_that_do_not_say_are_a_gap(said: str) -> None:
    assert usage_of({}, said) is None


def test_context_and_namespace_are_always_spelt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foodbench.deploy.kubernetes.kubectl.find_program", lambda *_, **__: "kubectl")
    command = Kubectl("kind-a", "team", "my.config").command("get", "pods")
    assert command == ("kubectl", "--context=kind-a", "--namespace=team", "--kubeconfig=my.config", "get", "pods")
    assert "--kubeconfig" not in " ".join(Kubectl("kind-a", "team").command("get"))


def test_a_diagnosis_as_an_error_has_its_evidence_once() -> None:
    told = failure_of(Diagnosis("image-pull", "it failed: not found", ("ErrImagePull", "not found"), "Push it"))
    assert isinstance(told, RunFailed)
    assert str(told) == "it failed: not found. Push it."
    other = failure_of(Diagnosis("image-pull", "it failed", ("not found",), "Push it"))
    assert str(other) == "it failed (the cluster says: not found). Push it."


@pytest.mark.parametrize(("written", "read"), [("250m", 0.25), (2, 2.0), ("x", 0.0), (None, 0.0)])
def test_cores_of_any_value(written: Any, read: float) -> None:
    assert cores(written) == read


@pytest.mark.parametrize(("written", "read"), [("128Mi", 2**27), ("1024", 1024), (1024, 1024), ("x", 0), (None, 0)])
def test_memory_of_any_value(written: Any, read: int) -> None:
    assert memory_bytes(written) == read
