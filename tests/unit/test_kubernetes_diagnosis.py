"""Every recorded failure has its right cause, from the objects alone; nothing is found where nothing was wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import observed_from, recordings

from foodbench.deploy.kubernetes.answers import diagnose_answer, diagnose_command
from foodbench.deploy.kubernetes.diagnosis import diagnose
from foodbench.deploy.kubernetes.findings import Answer, Diagnosis, Observed
from foodbench.deploy.kubernetes.reading import at, read_event
from foodbench.process import Completed

SNAPSHOTS = recordings("snapshots")
ANSWERS = recordings("answers")
COMMANDS = recordings("commands")


def labels(recorded: list[dict[str, Any]]) -> list[str]:
    return [one["recording"] for one in recorded]


def snapshot(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one["objects"] for one in SNAPSHOTS if one["recording"] == name)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def found_in(name: str) -> Diagnosis:
    found = diagnose(observed_from(snapshot(name)))
    assert found is not None
    return found


def cause_of(found: Diagnosis | None) -> str | None:
    return None if found is None else found.cause


def is_well_formed(found: Diagnosis) -> bool:
    one_line = "\n" not in found.summary + found.next_step
    return bool(found.evidence) and all(found.evidence) and one_line and not found.summary.endswith(".")


@pytest.mark.parametrize("one", SNAPSHOTS, ids=labels(SNAPSHOTS))
def test_each_recorded_situation(one: dict[str, Any]) -> None:
    found = diagnose(observed_from(one["objects"]))
    assert cause_of(found) == one["cause"], found
    assert found is None or is_well_formed(found)


@pytest.mark.parametrize(
    "one", [one for one in SNAPSHOTS if one["objects"].get("events_k8s_io")], ids=lambda one: str(one["recording"])
)
def test_the_other_events_api_says_the_same(one: dict[str, Any]) -> None:
    from_core = diagnose(observed_from(one["objects"]))
    assert diagnose(observed_from(one["objects"], events="events_k8s_io")) == from_core


@pytest.mark.parametrize("one", ANSWERS, ids=labels(ANSWERS))
def test_each_recorded_answer(one: dict[str, Any]) -> None:
    answer = Answer(one["status"], one["body"], one["path"])
    found = diagnose_answer(answer, metrics_needed=True)
    assert cause_of(found) == one["cause"], found
    assert found is None or is_well_formed(found)


@pytest.mark.parametrize("one", COMMANDS, ids=labels(COMMANDS))
def test_each_recorded_command(one: dict[str, Any]) -> None:
    done = Completed(tuple(one["arguments"]), one["exit_code"], one["output"], one["error_output"])
    found = diagnose_command(done, metrics_needed=True)
    assert cause_of(found) == one["cause"], found
    assert found is None or is_well_formed(found)


def test_every_kind_of_failure_was_recorded() -> None:
    causes = {one["cause"] for one in SNAPSHOTS + ANSWERS + COMMANDS}
    assert causes >= {
        "abrupt-scale-down", "api-unreachable", "conflict", "crash-loop", "forbidden", "image-name-invalid", "image-pull",
        "invalid-object", "metrics-absent", "namespace-missing", "oom-killed", "probe-misconfigured", "progress-deadline",
        "quota-exceeded", "readiness-flap", "unauthorized", "unschedulable", "wrong-context", None,
    }  # fmt: skip


def test_no_name_gives_the_cause_away() -> None:
    for one in SNAPSHOTS:
        given_away = json.dumps(one["objects"])
        for name in ("crash-loop", "oom-killed", "image-pull-", "quota-denied", "readiness-flap", "drain-", "healthy-"):
            assert name not in given_away


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        ("crash-loop", "No such file or directory: '/models/food.onnx'"),
        ("image-invalid-name", '"Foodbench/Food Model:1"'),
        ("image-pull", "localhost:5000/foodbench/model-a:1 cannot be pulled: there is no such image or tag"),
        ("oom-killed", "a pod needed more memory than the limit of 128 MiB"),
        ("probe-misconfigured", "it asks on port 8080, the container listens on 8000"),
        ("quota-denied", "requested: requests.cpu=400m, used: requests.cpu=400m, limited: requests.cpu=500m"),
        ("readiness-flap/siege-default-1/after", "the readiness probe /test timed out 4 times (1 s)"),
        ("unschedulable", "asks for 64 CPU and 64 MiB; the largest of 1 node has 2 CPU and 23.3 GiB in all"),
    ],
)
def test_the_values_that_matter_are_named(recording: str, said: str) -> None:
    assert said in found_in(recording).summary


def test_the_last_log_lines_are_evidence() -> None:
    assert "allocated 96 MiB" in found_in("oom-killed").evidence
    assert any("FileNotFoundError" in line for line in found_in("crash-loop").evidence)


def test_forbidden_names_the_verb_and_the_resource() -> None:
    by_name = {one["recording"]: one for one in ANSWERS}
    summaries = {}
    for name in ("403-scale", "403-list-nodes", "403-metrics-pods", "201-selfsubjectaccessreview-denied"):
        found = diagnose_answer(Answer(by_name[name]["status"], by_name[name]["body"], by_name[name]["path"]))
        assert found is not None
        summaries[name] = found.summary
    assert summaries == {
        "403-scale": 'you may not patch deployments/scale.apps in the namespace "foodbench-demo"',
        "403-list-nodes": "you may not list nodes at the cluster scope",
        "403-metrics-pods": 'you may not list pods.metrics.k8s.io in the namespace "foodbench-demo"',
        "201-selfsubjectaccessreview-denied": 'you may not create deployments.apps in the namespace "foodbench-demo"',
    }


@pytest.mark.parametrize("recording", ["kubectl-forbidden-delete-many", "kubectl-namespace-missing-apply-many"])
def test_of_many_refusals_the_first_is_told(recording: str) -> None:
    one = next(one for one in COMMANDS if one["recording"] == recording)
    assert one["error_output"].count("Error from server") > 1
    found = diagnose_command(Completed(tuple(one["arguments"]), one["exit_code"], "", one["error_output"]))
    assert found is not None
    assert [line for line in found.evidence if "Error from server" in line] == []


def test_missing_metrics_matter_only_to_an_autoscaler() -> None:
    metrics = [one for one in ANSWERS if one["cause"] == "metrics-absent"]
    assert len(metrics) == 3
    autoscaler = snapshot("hpa-trace-a")["autoscaler"]
    for one in metrics:
        answers = (Answer(one["status"], one["body"], one["path"]),)
        assert diagnose(Observed(answers=answers)) is None
        assert cause_of(diagnose(Observed(answers=answers, autoscaler=autoscaler))) == "metrics-absent"
    for one in COMMANDS:
        if one["cause"] == "metrics-absent":
            done = Completed(tuple(one["arguments"]), one["exit_code"], one["output"], one["error_output"])
            assert diagnose_command(done) is None


def first_status(objects: dict[str, Any]) -> dict[str, Any]:
    status: dict[str, Any] = objects["pods"][0]["status"]["containerStatuses"][0]
    return status


def test_one_crash_is_no_loop() -> None:
    objects = snapshot("crash-loop")
    first_status(objects).update(restartCount=1, state={"running": {}})
    assert diagnose(observed_from(objects)) is None
    first_status(objects).update(restartCount=2)
    assert cause_of(diagnose(observed_from(objects))) == "crash-loop"


def test_a_replica_that_recovered_is_no_crash_loop() -> None:
    objects = snapshot("crash-loop")
    first_status(objects).update(restartCount=3, state={"running": {}}, ready=True)
    assert diagnose(observed_from(objects)) is None


def test_a_slow_start_is_no_misconfigured_probe() -> None:
    """Refused on the right port: it may still be loading its model."""
    objects = snapshot("probe-misconfigured")
    container = objects["pods"][0]["spec"]["containers"][0]
    container["readinessProbe"]["httpGet"]["port"] = 8000
    objects["deployment"]["status"]["conditions"] = []
    assert diagnose(observed_from(objects)) is None


def test_a_probe_of_the_wrong_port_is_found_before_the_deadline() -> None:
    objects = snapshot("probe-misconfigured")
    objects["deployment"]["status"]["conditions"] = []
    assert cause_of(diagnose(observed_from(objects))) == "probe-misconfigured"


def test_a_wrong_path_is_a_misconfigured_probe() -> None:
    objects = snapshot("probe-misconfigured")
    container = objects["pods"][0]["spec"]["containers"][0]
    container["readinessProbe"]["httpGet"].update(port="http", path="/no")
    for event in objects["events"]:
        if event["reason"] == "Unhealthy":
            event["message"] = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    found = diagnose(observed_from(objects))
    assert cause_of(found) == "probe-misconfigured"
    assert found is not None
    assert "/no is answered with status 404" in found.summary


def test_probes_that_time_out_while_starting_are_no_flap() -> None:
    objects = snapshot("readiness-flap/siege-default-1/after")
    assert cause_of(diagnose(observed_from(objects))) == "readiness-flap"
    for one in objects["deployment"]["status"]["conditions"]:
        if one["type"] == "Progressing":
            one["lastUpdateTime"] = "2026-11-24T14:32:04Z"
    assert diagnose(observed_from(objects)) is None


def test_a_probe_that_timed_out_once_too_few_is_no_flap() -> None:
    objects = snapshot("readiness-flap/siege-default-1/after")
    for event in objects["events"]:
        if "context deadline exceeded" in event["message"]:
            event["count"] = 2
    assert diagnose(observed_from(objects)) is None


def test_a_hook_before_the_end_is_no_abrupt_scale_down() -> None:
    objects = snapshot("scale-down-drain/naive-run1")
    container = objects["deployment"]["spec"]["template"]["spec"]["containers"][0]
    container["lifecycle"] = {"preStop": {"sleep": {"seconds": 5}}}
    assert diagnose(observed_from(objects)) is None


def test_out_of_time_without_another_cause() -> None:
    objects = snapshot("probe-misconfigured")
    objects["pods"] = []
    found = diagnose(observed_from(objects))
    assert cause_of(found) == "progress-deadline"
    assert found is not None
    assert "deadline of 30 s" in found.summary


def test_a_container_killed_by_its_liveness_probe() -> None:
    objects = snapshot("probe-misconfigured")
    first_status(objects).update(restartCount=1)
    objects["events"].append(
        {
            "reason": "Killing",
            "message": "Container model failed liveness probe, will be restarted",
            "involvedObject": {"kind": "Pod", "name": objects["pods"][0]["metadata"]["name"]},
        }
    )
    found = diagnose(observed_from(objects))
    assert found is not None
    assert found.cause == "probe-misconfigured"
    assert "failed liveness probe" in found.summary


def test_a_pod_that_the_cluster_grows_for_is_not_given_up() -> None:
    objects = snapshot("unschedulable")
    about = {"kind": "Pod", "name": objects["pods"][0]["metadata"]["name"]}
    objects["events"].append({"reason": "TriggeredScaleUp", "message": "", "involvedObject": about})
    assert diagnose(observed_from(objects)) is None


def test_a_last_line_that_ends_with_a_full_stop_brings_no_second_one() -> None:
    observed = observed_from(snapshot("crash-loop"))
    (pod,) = observed.logs
    found = diagnose(replace(observed, logs={pod: "cannot read /bundle/manifest.json. --bundle takes a folder.\n"}))
    assert found is not None
    assert found.summary.endswith("its last line: cannot read /bundle/manifest.json. --bundle takes a folder")


def test_a_node_that_takes_no_pods_is_no_want_of_room() -> None:
    objects = snapshot("unschedulable")
    (pod,) = objects["pods"]
    (scheduled,) = [each for each in pod["status"]["conditions"] if each["type"] == "PodScheduled"]
    # As the scheduler said while its only node was not ready.
    scheduled["message"] = (
        "0/1 nodes are available: 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/1 nodes "
        "are available: 1 Preemption is not helpful for scheduling."
    )
    found = diagnose(observed_from(objects))
    assert found is not None
    assert found.cause == "unschedulable"
    assert found.summary == "no node takes the pods: 1 node(s) had untolerated taint(s)"
    assert "not ready" in found.next_step


def test_a_container_that_cannot_start() -> None:
    objects = snapshot("image-pull")
    told = "container has runAsNonRoot and image will run as root"
    first_status(objects)["state"] = {"waiting": {"reason": "CreateContainerConfigError", "message": told}}
    found = diagnose(observed_from(objects))
    assert found is not None
    assert found.cause == "container-cannot-start"
    assert told in found.summary


def test_an_unknown_reason_to_wait_is_waited_for() -> None:
    objects = snapshot("image-pull")
    first_status(objects)["state"] = {"waiting": {"reason": "SomethingNew", "message": "soon"}}
    assert diagnose(observed_from(objects)) is None


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged', "admission-denied"),
        ('admission webhook "policy.example.com" denied the request: no', "admission-denied"),
        ("something new", "admission-denied"),
        (
            'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3',
            "quota-exceeded",
        ),
    ],
)
def test_why_pods_are_not_created(message: str, cause: str) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    assert cause_of(diagnose(Observed(replica_sets=({"status": {"conditions": [failure]}},)))) == cause
    refused = Answer(403, json.dumps({"kind": "Status", "message": message}))
    assert cause_of(diagnose_answer(refused)) == (cause if message != "something new" else None)


def test_quota_denials_are_found_in_the_events_alone() -> None:
    objects = snapshot("quota-denied")
    objects["deployment"]["status"]["conditions"] = []
    objects["replica_sets"] = []
    assert cause_of(diagnose(observed_from(objects))) == "quota-exceeded"


def test_first_metrics_may_take_a_while() -> None:
    autoscaler = snapshot("hpa-no-metrics")["autoscaler"]
    active = next(one for one in autoscaler["status"]["conditions"] if one["type"] == "ScalingActive")
    active["message"] = "no metrics returned from resource metrics API"
    event = {
        "reason": "FailedGetResourceMetric",
        "involvedObject": {"kind": "HorizontalPodAutoscaler", "name": "app"},
        "count": 7,
    }
    assert diagnose(Observed(autoscaler=autoscaler, events=(read_event(event),))) is None
    event["count"] = 8
    assert cause_of(diagnose(Observed(autoscaler=autoscaler, events=(read_event(event),)))) == "metrics-absent"


@pytest.mark.parametrize("status", [0, 204, 302, 404, 410, 429, 504])
def test_what_calls_for_asking_again_is_no_fault(status: int) -> None:
    assert diagnose_answer(Answer(status, '{"kind": "Status", "message": "later"}')) is None


def test_nothing_observed_is_no_fault() -> None:
    assert diagnose(Observed()) is None


odd: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.none(), max_size=2) | st.just({})
)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_odd_shapes_never_break_it(data: st.DataObject) -> None:
    """Any value of a recorded object may be of any type: an API that is newer, or a proxy's answer."""
    objects = snapshot(data.draw(st.sampled_from(["crash-loop", "unschedulable", "hpa-no-metrics", "quota-denied"])))
    del objects["logs"]  # text that was read, no API object
    for _ in range(data.draw(st.integers(1, 4))):
        here: Any = objects
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            key = data.draw(st.sampled_from(keys))
            inner = here[key]
            if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 9)) == 0:
                if here is not objects:
                    here[key] = data.draw(odd)
                break
            here = inner
    diagnose(observed_from(objects))


@given(st.text(max_size=60), st.integers(0, 599), st.sampled_from(["", "/apis/metrics.k8s.io/v1beta1", "/x/log"]))
def test_any_body_is_read(body: str, status: int, path: str) -> None:
    diagnose_answer(Answer(status, body, path), metrics_needed=True)
    diagnose_command(Completed(("kubectl", path), 1, "", body), metrics_needed=True)


def test_reading_ends_where_the_path_does() -> None:
    assert at({"a": {"b": 1}}, "a", "b", "c") is None
    assert at(None, "a") is None
