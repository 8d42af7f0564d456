"""Reading and watching a cluster, against a server of recorded answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import recordings
from recorded_cluster import RecordedCluster, recorded_cluster

from foodbench.deploy.kubernetes.cluster import Cluster, Refused, connect
from foodbench.deploy.kubernetes.observing import Observer, deployments_in
from foodbench.errors import RunFailed

pytestmark = pytest.mark.processes

PODS = "/api/v1/namespaces/ns/pods"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RecordedCluster]:
    with recorded_cluster({}, tmp_path) as cluster:
        yield cluster


@pytest.fixture
def cluster(server: RecordedCluster) -> Cluster:
    return connect("recorded", kubeconfig=str(server.kubeconfig))


def change(happened: str, **thing: object) -> str:
    return json.dumps({"type": happened, "object": thing}) + "\n"


def test_a_watch_yields_each_change_and_ends_with_the_server(server: RecordedCluster, cluster: Cluster) -> None:
    server.watched = change("ADDED", kind="Pod") + "\n" + change("DELETED", kind="Pod")
    assert list(cluster.changes(PODS, timeout_s=3, labelSelector="a=b")) == ["ADDED", "DELETED"]
    (_, path, query) = server.requests[-1]
    assert path == PODS
    assert query == {"labelSelector": ["a=b"], "watch": ["true"], "timeoutSeconds": ["3"]}


def test_an_expired_watch_is_an_answer_of_status_200_that_refuses(server: RecordedCluster, cluster: Cluster) -> None:
    recorded = next(one for one in recordings("answers") if one["recording"] == "410-watch-expired")
    assert recorded["status"] == 200
    server.watched = recorded["body"]
    if not server.watched.endswith("\n"):
        server.watched += "\n"
    with pytest.raises(Refused) as refused:
        list(cluster.changes(PODS, timeout_s=1))
    assert refused.value.answer.status == 410


@pytest.mark.parametrize("broken", ["no json\n", "[1]\n", change("ADDED")[:-5] + "\n"])
def test_a_watch_that_breaks_off_just_ends(broken: str, server: RecordedCluster, cluster: Cluster) -> None:
    server.watched = change("ADDED", kind="Pod") + broken + change("ADDED", kind="Pod")
    assert list(cluster.changes(PODS, timeout_s=1)) == ["ADDED"]


def test_a_watch_that_is_forbidden(server: RecordedCluster, cluster: Cluster) -> None:
    recorded = next(one for one in recordings("answers") if one["recording"] == "403-watch-pods")
    server.refusals[("GET", "/pods")] = (403, recorded["body"])
    with pytest.raises(Refused) as refused:
        list(cluster.changes(PODS, timeout_s=1))
    assert refused.value.answer.status == 403


def test_what_is_no_object_is_refused(server: RecordedCluster, cluster: Cluster) -> None:
    for body in ("<html>a proxy</html>", "[]"):
        server.refusals[("GET", "/pods")] = (200, body)
        with pytest.raises(Refused):
            cluster.get(PODS)


def test_waiting_survives_an_expired_version(server: RecordedCluster, cluster: Cluster) -> None:
    server.watched = change("ERROR", kind="Status", code=410)
    observer = Observer(cluster, "ns", "a=b", autoscaled=False)
    observer.wait_for_change(observer.version(), timeout_s=1)
    assert [("watch" in query) for _, path, query in server.requests if path == PODS] == [False, True]


def test_where_nothing_may_be_listed_nothing_is_watched(server: RecordedCluster, cluster: Cluster) -> None:
    server.refusals[("GET", "/pods")] = (403, "{}")
    observer = Observer(cluster, "ns", "a=b", autoscaled=False)
    assert observer.version() == ""
    observer.wait_for_change("", timeout_s=1)
    assert all("watch" not in query for _, _, query in server.requests)


def test_deployments_that_may_not_be_listed(server: RecordedCluster, cluster: Cluster) -> None:
    recorded = next(one for one in recordings("answers") if one["recording"] == "403-list-pods")
    server.refusals[("GET", "/deployments")] = (403, recorded["body"].replace("pods", "deployments"))
    with pytest.raises(RunFailed, match="you may not list deployments"):
        deployments_in(cluster, "ns", {"a": "b"})
    server.refusals[("GET", "/deployments")] = (429, "slow down")
    with pytest.raises(RunFailed, match="with 429: slow down"):
        deployments_in(cluster, "ns", {"a": "b"})
