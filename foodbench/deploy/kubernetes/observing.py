"""Collects what the cluster knows about one deployment."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from foodbench.deploy.kubernetes.answers import diagnose_answer
from foodbench.deploy.kubernetes.cluster import Cluster, Refused
from foodbench.deploy.kubernetes.findings import Answer, Observed, failure_of
from foodbench.deploy.kubernetes.reading import Plain, containers_of, name_of, objects, read_event, text
from foodbench.errors import RunFailed

__all__ = ["Observer", "deployments_in", "refusal"]

LOG_LINES = "20"

NO_LOG = "unable to retrieve container logs for "
"""What a kubelet answers, with status 200, for a container that is removed already."""

PAUSE_S = 0.2


class Observer:
    """Reads one deployment's objects by label.

    Args:
        cluster: Where it runs.
        namespace: In which namespace.
        selector: The labels of all that belongs to it.
        autoscaled: Whether an autoscaler belongs to it.
    """

    def __init__(self, cluster: Cluster, namespace: str, selector: str, *, autoscaled: bool) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._selector = selector
        self._autoscaled = autoscaled
        self._named: set[str] = set()

    def observe(self) -> Observed:
        """Return all there is now. A refusal of what is needed is part of it.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        refusals: list[Answer] = []
        deployments = self._needed("apps/v1", "deployments", refusals)
        replica_sets = self._needed("apps/v1", "replicasets", refusals)
        pods = self._needed("v1", "pods", refusals)
        autoscalers = self._needed("autoscaling/v2", "horizontalpodautoscalers", refusals) if self._autoscaled else ()
        if self._autoscaled:
            self._check_metrics(refusals)
        ours = {name_of(thing) for thing in (*deployments, *replica_sets, *pods, *autoscalers)}
        events = (read_event(event) for event in self._allowed(self._path("v1", "events")))
        return Observed(
            deployment=deployments[0] if deployments else {},
            replica_sets=replica_sets,
            pods=pods,
            events=tuple(sorted((e for e in events if e.name in ours), key=lambda event: event.last_at)),
            autoscaler=autoscalers[0] if autoscalers else ({} if self._autoscaled else None),
            nodes=self._allowed("/api/v1/nodes"),
            endpoint_slices=self._allowed(
                self._path("discovery.k8s.io/v1", "endpointslices"), labelSelector=self._selector
            ),
            logs=dict(self._logs(pods)),
            answers=tuple(refusals),
        )

    def glance(self) -> Observed:
        """Return its Deployment and its pods only: little enough to look every second.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        refusals: list[Answer] = []
        deployments = self._needed("apps/v1", "deployments", refusals)
        pods = self._needed("v1", "pods", refusals)
        return Observed(deployment=deployments[0] if deployments else {}, pods=pods, answers=tuple(refusals))

    def services(self) -> tuple[Plain, ...]:
        """Return its Services.

        Raises:
            RunFailed: We may not list them, or the API server cannot be reached.
        """
        return self._must_list("services")

    def nodes(self) -> tuple[Plain, ...]:
        """Return the cluster's nodes; none where we may not list them.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        return self._allowed("/api/v1/nodes")

    def pods(self) -> tuple[Plain, ...]:
        """Return its pods.

        Raises:
            RunFailed: We may not list them, or the API server cannot be reached.
        """
        return self._must_list("pods")

    def events(self) -> tuple[Plain, ...]:
        """Return the events about it, its replica sets and its pods; none where we may not list them.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        refusals: list[Answer] = []
        kinds = (("apps/v1", "deployments"), ("apps/v1", "replicasets"), ("v1", "pods"))
        for version, kind in kinds:
            self._named.update(name_of(thing) for thing in self._needed(version, kind, refusals))
        found = self._allowed(self._path("v1", "events"))
        # Its autoscaler is called as it is. Pods that are gone by now are remembered.
        return tuple(event for event in found if text(event, "involvedObject", "name") in self._named)

    def autoscalers(self) -> tuple[Plain, ...]:
        """Return its autoscaler; none where there is none, or we may not list it.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        path = self._path("autoscaling/v2", "horizontalpodautoscalers")
        return self._allowed(path, labelSelector=self._selector)

    def version(self) -> str:
        """Return where its pods stand now, for ``wait_for_change``; empty where we may not list them.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        try:
            listed = self._list(self._path("v1", "pods"), labelSelector=self._selector, limit="1")
        except Refused:
            return ""
        return text(listed, "metadata", "resourceVersion")

    def wait_for_change(self, since: str, *, timeout_s: int) -> None:
        """Return once one of its pods changes, or after a while: other objects change too.

        Args:
            since: What ``version`` returned before the last look: nothing in between is missed.
            timeout_s: How long to wait for a change.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        if since:
            query = {"labelSelector": self._selector, "resourceVersion": since}
            # A version that has expired by now is no fault: the next look begins anew.
            with contextlib.suppress(Refused):
                next(self._cluster.changes(self._path("v1", "pods"), timeout_s=timeout_s, **query), None)
        # Changes come in bursts, one look is enough for all; and a server that ends each watch at once is not stormed.
        time.sleep(PAUSE_S)

    def metrics_of(self, pod: str, port: int) -> str:
        """Return a pod's own /metrics, read through the API server.

        Raises:
            Refused: We may not, or the pod does not answer.
            RunFailed: The API server cannot be reached.
        """
        return self._cluster.get_text(f"{self._path('v1', 'pods')}/{pod}:{port}/proxy/metrics")

    def _path(self, version: str, kind: str) -> str:
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        return f"{root}/namespaces/{self._namespace}/{kind}"

    def _list(self, path: str, **query: str) -> dict[str, Any]:
        return self._cluster.get(path, **query)

    def _must_list(self, kind: str) -> tuple[Plain, ...]:
        try:
            return objects(self._list(self._path("v1", kind), labelSelector=self._selector), "items")
        except Refused as refused:
            raise refusal(refused.answer) from refused

    def _needed(self, version: str, kind: str, refusals: list[Answer]) -> tuple[Plain, ...]:
        try:
            return objects(self._list(self._path(version, kind), labelSelector=self._selector), "items")
        except Refused as refused:
            refusals.append(refused.answer)
            return ()

    def _allowed(self, path: str, **query: str) -> tuple[Plain, ...]:
        """List what only makes a diagnosis richer."""
        try:
            return objects(self._list(path, **query), "items")
        except Refused:
            return ()

    def _check_metrics(self, refusals: list[Answer]) -> None:
        try:
            self._list(self._path("metrics.k8s.io/v1beta1", "pods"), limit="1")
        except Refused as refused:
            refusals.append(refused.answer)

    def _logs(self, pods: tuple[Plain, ...]) -> Iterator[tuple[str, str]]:
        for pod in pods:
            if any(container.endings and not container.ready for container in containers_of(pod)):
                path = f"{self._path('v1', 'pods')}/{name_of(pod)}/log"
                for previous in ("true", "false"):
                    with contextlib.suppress(Refused):
                        log = self._cluster.get_text(path, previous=previous, tailLines=LOG_LINES)
                        if log and not log.startswith(NO_LOG):
                            yield name_of(pod), log
                            break


def deployments_in(cluster: Cluster, namespace: str, labels: Mapping[str, str]) -> tuple[Plain, ...]:
    """Return a namespace's Deployments with all of these labels.

    Raises:
        RunFailed: They may not be listed, or the API server cannot be reached.
    """
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    try:
        return objects(
            cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments", labelSelector=selector), "items"
        )
    except Refused as refused:
        raise refusal(refused.answer) from refused


def refusal(answer: Answer) -> RunFailed:
    """Return a refusal as the error it ends a command with."""
    found = diagnose_answer(answer)
    if found is not None:
        return failure_of(found)
    said = " ".join(answer.body.split())[:200]
    return RunFailed(f"the API server answered {answer.path} with {answer.status}: {said}", "Try again")
