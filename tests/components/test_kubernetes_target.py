"""The target, with the real kubectl and the real client, against a server that answers as a real cluster was recorded to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from builders import deployment, variant
from recorded import recordings
from recorded_cluster import RecordedCluster, recorded_cluster

from foodbench.deploy.kubernetes.cluster import connect
from foodbench.deploy.kubernetes.kubectl import Kubectl
from foodbench.deploy.kubernetes.manifests import selector_of
from foodbench.deploy.kubernetes.reaching import FORWARD_MARK
from foodbench.deploy.kubernetes.target import KubernetesTarget
from foodbench.deploy.local.processes import marked
from foodbench.errors import InputError, RunFailed
from foodbench.process import run
from foodbench.progress import Silent
from foodbench.records.deployments import ClusterPlace
from foodbench.records.experiments import Mode
from foodbench.store import Store

pytestmark = pytest.mark.processes

IMAGE = "registry.example.com/team/model:1"


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


@pytest.fixture(autouse=True)
def _kubectl(require_program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require_program("kubectl")
    # kubectl keeps what it has learnt of a server, by its address, below the home folder.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def objects_of(recording: str) -> dict[str, Any]:
    found = next(one["objects"] for one in recordings("snapshots") if one["recording"] == recording)
    return dict(found)


@contextmanager
def target_on(recording: str, tmp_path: Path, store: Store) -> Iterator[tuple[KubernetesTarget, RecordedCluster]]:
    with recorded_cluster(objects_of(recording), tmp_path) as cluster:
        kubeconfig = str(cluster.kubeconfig)
        yield (
            KubernetesTarget(
                store=store,
                cluster=connect("recorded", kubeconfig=kubeconfig),
                kubectl=Kubectl("recorded", "foodbench", kubeconfig),
                image_of=lambda _: IMAGE,
                start_deadline_s=20.0,
                reach_deadline_s=2.0,
            ),
            cluster,
        )


def recorded_answer(name: str) -> tuple[int, str]:
    found = next(one for one in recordings("answers") if one["recording"] == name)
    return found["status"], found["body"]


@pytest.mark.parametrize(("mode", "recording"), [("single", "healthy-single"), ("hpa", "hpa-trace-a")])
def test_from_manifests_to_gone(mode: Mode, recording: str, tmp_path: Path, store: Store) -> None:
    record = deployment(id=f"{mode}-1a2b3c4d", variant=variant(mode=mode))
    with target_on(recording, tmp_path, store) as (target, cluster):
        state = target.deploy(record, Silent())
        written = store.find_deployment(record.id)
        assert written is not None
        assert written.cluster == ClusterPlace(context="recorded", namespace="foodbench", image=IMAGE)
        assert state.phase == "available"
        assert state.url == f"http://127.0.0.1:{cluster.port}"
        assert state.ready_replicas == 1
        applied = (store.deployment_directory(record.id) / "manifests.yaml").read_text()
        assert applied == target.manifests(record)
        kinds = [document["kind"] for document in cluster.applied.values()]
        assert kinds == [line.removeprefix("kind: ") for line in applied.splitlines() if line.startswith("kind: ")]
        assert all(query["fieldManager"] == ["foodbench"] for method, _, query in cluster.requests if method == "PATCH")

        (usage,) = target.usage(record.id)
        assert (usage.memory_bytes, usage.cpu_s, usage.ready) == (150_000_000, 12.5, True)
        found = target.state(record.id)
        assert found is not None
        assert found.phase == "available"

        assert target.present() == (record.id,)
        target.delete(record.id)
        assert [document["kind"] for document in cluster.applied.values()] == ["Namespace"]
        assert target.present() == ()
        gone = target.state(record.id)
        assert gone is not None
        assert gone.phase == "stopped"


def test_only_what_has_the_labels_is_ever_listed_or_deleted(tmp_path: Path, store: Store) -> None:
    record = deployment(id="single-1a2b3c4d")
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        target.deploy(record, Silent())
        target.delete(record.id)
        selector = [selector_of(record.id)]
        unlabelled = {"events", "nodes"}
        for method, path, query in cluster.requests:
            kind = path.rsplit("/", 1)[1]
            if method == "GET" and path.startswith(("/api/v1/name", "/apis/")) and "/namespaces/foodbench/" in path:
                one = path.count("/") > (5 if path.startswith("/api/") else 6) or "fieldSelector" in query
                if not one and kind not in unlabelled and "metrics.k8s.io" not in path:
                    assert query.get("labelSelector") == selector, path
        deleted = [path for method, path, _ in cluster.requests if method == "DELETE"]
        assert len(deleted) == 3
        assert all(path.endswith("/foodbench-single-1a2b3c4d") for path in deleted)


@pytest.mark.parametrize(
    ("recording", "mode", "said"),
    [
        ("image-pull", "single", "cannot be pulled: there is no such image or tag"),
        ("crash-loop/early", "single", "FileNotFoundError: [Errno 2] No such file"),
        ("oom-killed/running", "single", "more memory than the limit of 128 MiB"),
        ("unschedulable", "single", "no node has room for a pod that asks for 64 CPU"),
        ("quota-denied", "lb", "the namespace's quota forbids another pod"),
        ("probe-misconfigured", "single", "it asks on port 8080, the container listens on 8000"),
        ("hpa-no-metrics", "hpa", "the cluster does not measure its pods' CPU"),
    ],
)
def test_waiting_ends_with_the_cause_and_nothing_is_left(
    recording: str, mode: Mode, said: str, tmp_path: Path, store: Store
) -> None:
    record = deployment(id=f"{mode}-1a2b3c4d", variant=variant(mode=mode))
    with target_on(recording, tmp_path, store) as (target, cluster):
        with pytest.raises(RunFailed) as failed:
            target.deploy(record, Silent())
        assert said in str(failed.value)
        assert failed.value.remedy
        assert [document["kind"] for document in cluster.applied.values()] == ["Namespace"]


def test_the_log_of_a_container_that_is_removed_already_is_no_last_line(tmp_path: Path, store: Store) -> None:
    record = deployment(id="single-1a2b3c4d")
    with target_on("crash-loop/early", tmp_path, store) as (target, cluster):
        # As a real kubelet answers.
        cluster.refusals["GET", "/log"] = (200, f"unable to retrieve container logs for containerd://{'38e44c6a' * 8}")
        with pytest.raises(RunFailed, match=r"ends by itself \(exit code \d+\) after every start") as failed:
            target.deploy(record, Silent())
        assert "unable to retrieve" not in str(failed.value)


def test_forbidden_names_verb_and_resource(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        cluster.refusals[("PATCH", "/foodbench-single-1a2b3c4d")] = recorded_answer("403-ssa-deployment")
        with pytest.raises(RunFailed, match=r"you may not patch deployments\.apps"):
            target.deploy(deployment(id="single-1a2b3c4d"), Silent())


def test_pods_that_may_not_be_listed_end_the_wait(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        cluster.refusals[("GET", "/namespaces/foodbench/pods")] = recorded_answer("403-list-pods")
        listener = Listener()
        with pytest.raises(RunFailed, match="you may not list pods"):
            target.deploy(deployment(id="single-1a2b3c4d"), listener)
        assert [document["kind"] for document in cluster.applied.values()] == ["Namespace"]


def test_a_metrics_server_that_is_missing_matters_to_hpa_only(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        status, body = recorded_answer("404-metrics-absent-pods")
        cluster.refusals[("GET", "/metrics.k8s.io/v1beta1/namespaces/foodbench/pods")] = (status, body)
        target.deploy(deployment(id="single-1a2b3c4d"), Silent())
        target.delete("single-1a2b3c4d")
        with pytest.raises(RunFailed, match="does not measure its pods' CPU"):
            target.deploy(deployment(id="hpa-1a2b3c4d", variant=variant(mode="hpa")), Silent())


def test_a_deployment_that_is_never_ready_is_given_up(tmp_path: Path, store: Store) -> None:
    objects = objects_of("healthy-single")
    objects["deployment"] = {**objects["deployment"], "status": {}}
    with recorded_cluster(objects, tmp_path) as cluster:
        kubeconfig = str(cluster.kubeconfig)
        kubectl = Kubectl("recorded", "foodbench", kubeconfig)
        reading = connect("recorded", kubeconfig=kubeconfig)
        target = KubernetesTarget(
            store=store, cluster=reading, kubectl=kubectl, image_of=lambda _: IMAGE, start_deadline_s=0.1
        )
        with pytest.raises(RunFailed, match=r"0 of 1 replicas were ready after 0\.1 s"):
            target.deploy(deployment(id="single-1a2b3c4d"), Silent())


def test_a_service_that_cannot_be_reached_from_here(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        cluster.refusals[("GET", "/readyz")] = (503, "no")
        listener = Listener()
        # The stand-in forwards no ports.
        with pytest.raises(RunFailed, match="neither its addresses nor kubectl port-forward lead to it"):
            target.deploy(deployment(id="single-1a2b3c4d"), listener)
        assert listener.said == ["No address of the service answers from here: it is reached by a port-forward"]
        assert marked({FORWARD_MARK: "single-1a2b3c4d"}) == ()
        assert [document["kind"] for document in cluster.applied.values()] == ["Namespace"]


def test_objects_removed_by_somebody_else_show(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        target.deploy(deployment(id="single-1a2b3c4d"), Silent())
        cluster.applied.clear()
        found = target.state("single-1a2b3c4d")
        assert found is not None
        assert (found.phase, found.failure) == ("failed", "its objects are gone from the cluster")
        target.delete("single-1a2b3c4d")


def test_a_deployment_that_stopped_working_says_why(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        target.deploy(deployment(id="single-1a2b3c4d"), Silent())
        cluster.objects = objects_of("crash-loop")
        found = target.state("single-1a2b3c4d")
        assert found is not None
        assert found.phase == "failed"
        assert "FileNotFoundError" in (found.failure or "")
        assert [(replica.phase, replica.restarts) for replica in found.replicas] == [("back-off", 4)]


def test_what_may_not_be_looked_at_is_not_said_to_be_gone(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        target.deploy(deployment(id="single-1a2b3c4d"), Silent())
        cluster.refusals[("GET", "/namespaces/foodbench/deployments")] = recorded_answer("403-list-pods")
        cluster.refusals[("GET", "/namespaces/foodbench/pods")] = recorded_answer("504-watch-future-rv")
        with pytest.raises(RunFailed, match="you may not list pods"):
            target.state("single-1a2b3c4d")
        with pytest.raises(RunFailed, match="/namespaces/foodbench/pods with 504"):
            target.usage("single-1a2b3c4d")


def test_services_that_may_not_be_listed_are_named(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, cluster):
        forbidden = recorded_answer("403-list-pods")[1].replace("pods", "services")
        cluster.refusals[("GET", "/namespaces/foodbench/services")] = (403, forbidden)
        with pytest.raises(RunFailed, match="you may not list services"):
            target.deploy(deployment(id="single-1a2b3c4d"), Silent())


def test_a_cluster_that_is_gone(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, _):
        pass
    listener = Listener()
    with pytest.raises(RunFailed, match="API server cannot be reached"):
        target.deploy(deployment(id="single-1a2b3c4d"), listener)
    assert any("could not be removed" in line for line in listener.said)


def test_nothing_was_started(tmp_path: Path, store: Store) -> None:
    with target_on("healthy-single", tmp_path, store) as (target, _):
        assert target.state("single-1a2b3c4d") is None
        assert target.usage("single-1a2b3c4d") == ()
        target.delete("single-1a2b3c4d")


def test_credentials_go_over_tls_to_whom_the_kubeconfig_trusts(
    tmp_path: Path, store: Store, require_program: Callable[[str], str]
) -> None:
    made = tmp_path / "certificate.pem"
    how = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=recorded"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key.pem"), "-out", str(made)]
    run([require_program("openssl"), *how, *files], timeout_s=60)
    made.write_text(made.read_text() + (tmp_path / "key.pem").read_text())
    with recorded_cluster(objects_of("healthy-single"), tmp_path, certificate=made) as cluster:
        kubeconfig = str(cluster.kubeconfig)
        target = KubernetesTarget(
            store=store,
            cluster=connect("recorded", kubeconfig=kubeconfig),
            kubectl=Kubectl("recorded", "foodbench", kubeconfig),
            image_of=lambda _: IMAGE,
            answers=lambda _: True,
        )
        assert target.deploy(deployment(id="single-1a2b3c4d"), Silent()).phase == "available"
        assert cluster.authorizations == {("kubectl", "Bearer sesame"), ("foodbench", "Bearer sesame")}
    with recorded_cluster(objects_of("healthy-single"), tmp_path, certificate=made) as cluster:
        untrusting = cluster.kubeconfig.read_text().replace("certificate-authority:", "ignored:")
        cluster.kubeconfig.write_text(untrusting)
        reading = connect("recorded", kubeconfig=str(cluster.kubeconfig))
        with pytest.raises(RunFailed, match="CERTIFICATE_VERIFY_FAILED"):
            reading.get("/api/v1/nodes")
        assert not cluster.authorizations


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    with (
        recorded_cluster({}, tmp_path) as cluster,
        pytest.raises(InputError, match="context gone cannot be used"),
    ):
        connect("gone", kubeconfig=str(cluster.kubeconfig))
    with pytest.raises(InputError, match="context gone cannot be used"):
        connect("gone", kubeconfig=str(tmp_path / "none"))
