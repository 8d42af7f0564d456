"""The commands on target kubernetes: the real entry point and kubectl, against a server of recorded answers."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from builders import model_artifact, model_spec, serving_bundle
from command_line import TINY, foodbench
from recorded import recordings
from recorded_cluster import RecordedCluster, recorded_cluster

from foodbench.packaging import bundle_digest
from foodbench.store import Current, Store

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

IMAGE = "registry.example.com/team/model:1"

ON_CLUSTER = ("--target", "kubernetes", "--image", IMAGE, "-e", str(TINY))


@pytest.fixture(autouse=True)
def _kubectl(require_program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require_program("kubectl")
    # kubectl keeps what it has learnt of a server, by its address, below the home folder.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedCluster]:
    objects = next(one["objects"] for one in recordings("snapshots") if one["recording"] == "healthy-single")
    with recorded_cluster(objects, tmp_path) as served:
        monkeypatch.setenv("KUBECONFIG", str(served.kubeconfig))
        yield served


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A folder whose store has the records of a model and its bundle: an image that is named needs no files."""
    artifact = model_artifact(spec=model_spec(name="small"))
    store = Store(tmp_path / "results")
    store.save_model(artifact)
    store.save_bundle(serving_bundle(digest=bundle_digest(artifact, "litert"), model_name="small"))
    store.set_current(Current(models=(artifact.digest,)))
    return tmp_path


def test_what_the_dry_run_prints_is_what_is_applied_until_it_is_deleted(
    trained: Path, cluster: RecordedCluster
) -> None:
    shown = foodbench("deploy", *ON_CLUSTER, "--namespace", "team", "--dry-run", cwd=trained)
    assert shown.returncode == 0, shown.stderr
    assert cluster.requests == []
    (name,) = re.findall(r"--id (\S+)", shown.stderr)

    deployed = foodbench("deploy", *ON_CLUSTER, "-n", "team", "--id", name, "--context", "recorded", cwd=trained)
    assert deployed.returncode == 0, deployed.stderr
    assert deployed.stderr.startswith(f"Cluster: context recorded at http://127.0.0.1:{cluster.port}, namespace team\n")
    kept = trained / "results" / "_deployments" / name / "manifests.yaml"
    assert kept.read_text() == shown.stdout
    applied = [(document["kind"], document["metadata"]["name"]) for document in cluster.applied.values()]
    assert applied == [(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(shown.stdout)]

    (row,) = json.loads(foodbench("status", "--json", cwd=trained).stdout)
    assert row["state"]["phase"] == "available"
    assert row["state"]["cpu_limiter"] == "kubelet"
    assert row["deployment"]["cluster"] == {"context": "recorded", "namespace": "team", "image": IMAGE}
    assert json.loads(foodbench("status", "--json", "--target", "local", cwd=trained).stdout) == []

    refused = foodbench("deploy", "-e", str(TINY), cwd=trained)
    assert refused.returncode == 2
    assert f"{name} (small.litert.single, context recorded, namespace team) is still running" in refused.stderr

    deleted = foodbench("delete", cwd=trained)
    assert deleted.stdout == f"{name} is gone.\n"
    assert f"Deleting {name} (small.litert.single, context recorded, namespace team)" in deleted.stderr
    assert cluster.applied == {}
    assert not kept.parent.exists()


def test_what_a_lost_results_folder_left_is_found_and_deleted_by_name(trained: Path, cluster: RecordedCluster) -> None:
    assert foodbench("deploy", *ON_CLUSTER, "--id", "left-over", cwd=trained).returncode == 0
    (trained / "results" / "_deployments" / "left-over").rename(trained / "lost")
    (trained / "results" / "_current.json").unlink()

    status = foodbench("status", "--context", "recorded", cwd=trained)
    assert "Of other results folders: left-over" in status.stderr
    again = foodbench("deploy", *ON_CLUSTER, "--id", "next", cwd=trained)
    assert again.returncode == 2
    assert "no model has been trained" in again.stderr
    elsewhere = foodbench("delete", "left-over", "--context", "recorded", "--namespace", "team", cwd=trained)
    assert elsewhere.returncode == 2
    assert "there is no deployment left-over" in elsewhere.stderr

    deleted = foodbench("delete", "left-over", "--context", "recorded", cwd=trained)
    assert deleted.stdout == "left-over is gone.\n"
    assert [document["kind"] for document in cluster.applied.values()] == ["Namespace"]


def test_the_next_deployment_points_out_what_another_folder_left(trained: Path, cluster: RecordedCluster) -> None:
    assert foodbench("deploy", *ON_CLUSTER, "--id", "left-over", cwd=trained).returncode == 0
    (trained / "results" / "_deployments" / "left-over").rename(trained / "lost")
    again = foodbench("deploy", *ON_CLUSTER, "--id", "next", cwd=trained)
    assert again.returncode == 0, again.stderr
    command = "foodbench delete left-over --target kubernetes --context recorded --namespace foodbench"
    assert command in again.stderr
    assert any("left-over" in path for path in cluster.applied)
    assert foodbench(*command.split()[1:], cwd=trained).returncode == 0
    assert foodbench("delete", cwd=trained).returncode == 0


def test_what_a_command_that_died_left_is_removed_by_the_next(trained: Path, cluster: RecordedCluster) -> None:
    assert foodbench("deploy", *ON_CLUSTER, "--id", "died", cwd=trained).returncode == 0
    # It died before it wrote that the deployment was available.
    (trained / "results" / "_deployments" / "died" / "state.json").unlink()
    again = foodbench("deploy", *ON_CLUSTER, "--id", "next", cwd=trained)
    assert again.returncode == 2
    assert "died (small.litert.single, context recorded, namespace foodbench) is still running" in again.stderr
    assert foodbench("deploy", *ON_CLUSTER, "--id", "next", "--replace", cwd=trained).returncode == 0
    assert {document["metadata"]["name"] for document in cluster.applied.values()} == {"foodbench", "foodbench-next"}
    assert foodbench("delete", cwd=trained).returncode == 0


@pytest.mark.parametrize(
    ("server", "nodes", "doubt"),
    [
        ("https://cluster.example.com:6443", [], "its API server cluster.example.com is not this machine"),
        ("http://127.0.0.1:{port}", ["a", "b"], "it has 2 nodes"),
    ],
)
def test_a_cluster_that_may_be_anybodys_is_never_taken_by_default(
    server: str, nodes: list[str], doubt: str, trained: Path, cluster: RecordedCluster
) -> None:
    cluster.objects["nodes"] = [{"metadata": {"name": name}, "status": {}} for name in nodes]
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = server.format(port=cluster.port)
    cluster.kubeconfig.write_text(yaml.safe_dump(config))
    done = foodbench("deploy", *ON_CLUSTER, cwd=trained)
    assert done.returncode == 2
    assert f"the current context, recorded, is not taken by default: {doubt}" in done.stderr
    assert "add --context recorded" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert cluster.applied == {}


def test_a_context_that_is_not_there_is_said_in_one_line(trained: Path, cluster: RecordedCluster) -> None:
    done = foodbench("deploy", *ON_CLUSTER, "--context", "gone", cwd=trained)
    assert done.returncode == 2
    assert "context gone cannot be used" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert cluster.requests == []


def test_a_server_that_is_gone_and_a_kubectl_that_is_missing_are_said_in_one_line(
    trained: Path, cluster: RecordedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config = cluster.kubeconfig.read_text().replace(str(cluster.port), str(closed.getsockname()[1]))
    cluster.kubeconfig.write_text(config)
    done = foodbench("deploy", *ON_CLUSTER, cwd=trained)
    assert done.returncode == 4
    assert "the API server of context recorded cannot be reached" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    monkeypatch.setenv("PATH", str(trained))
    done = foodbench("deploy", *ON_CLUSTER, "--context", "recorded", cwd=trained)
    assert done.returncode == 3
    assert "the program kubectl is not on this machine" in done.stderr
    assert len(done.stderr.splitlines()) == 1
