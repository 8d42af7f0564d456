"""Deploys on a Kubernetes cluster."""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from foodbench.deploy.kubernetes.cluster import Cluster, Refused
from foodbench.deploy.kubernetes.contexts import nodes_of, runs_here
from foodbench.deploy.kubernetes.diagnosis import diagnose
from foodbench.deploy.kubernetes.findings import Observed, failure_of
from foodbench.deploy.kubernetes.kubectl import Kubectl
from foodbench.deploy.kubernetes.manifests import MANAGED_BY, NAME_PREFIX, render, selector_of
from foodbench.deploy.kubernetes.observing import Observer, deployments_in, refusal
from foodbench.deploy.kubernetes.reaching import Reached, end_forward, forward, reached_before, urls_of
from foodbench.deploy.kubernetes.reading import Plain, at, condition, cores, name_of, text, whole
from foodbench.deploy.kubernetes.recording import Recorder, recording
from foodbench.deploy.kubernetes.states import POD_PORT, state_of, usage_of
from foodbench.deploy.kubernetes.yaml_text import to_yaml
from foodbench.deploy.service_metrics import counters_of
from foodbench.errors import FoodbenchError, RunFailed
from foodbench.progress import Progress
from foodbench.records.deployments import Capacity, ClusterPlace, Deployment, DeploymentState
from foodbench.records.experiments import ServiceType
from foodbench.records.traces import ReplicaUsage, ServiceCounters
from foodbench.store import Store, write_record

__all__ = ["KubernetesTarget"]

WATCH_S = 5
"""A watch of the pods is taken up anew after this, since what other objects say changes without them."""

REMOVAL_S = 120.0
"""Twice a pod's grace period, and some more."""

ADDRESS_S = 180.0
"""How long a cloud may take to give a load balancer an address, and to make it lead to the pods."""

POLL_S = 0.5

PROBE_TIMEOUT_S = 3.0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=PROBE_TIMEOUT_S) as response:  # noqa: S310 - always http
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _recorded_image(deployment: Deployment) -> str:
    if deployment.cluster is None:
        raise ValueError(f"{deployment.id} names no image")
    return deployment.cluster.image


@dataclass(frozen=True)
class KubernetesTarget:
    """Runs each deployment in one namespace of one cluster."""

    store: Store
    """Where deployments are written down."""
    cluster: Cluster
    kubectl: Kubectl
    image_of: Callable[[Deployment], str] = _recorded_image
    """The image that serves a deployment, as the nodes can pull it or have it."""
    service_type: ServiceType = "NodePort"
    start_deadline_s: float = 600.0
    """How long a deployment may take until all its first replicas are ready."""
    reach_deadline_s: float = 15.0
    """How long a node's port, or a port-forward, may take to lead to pods that are ready."""
    answers: Callable[[str], bool] = _answers
    """Whether a service answers at a root URL."""

    def manifests(self, deployment: Deployment) -> str:
        """Return what ``deploy`` applies, as YAML.

        Raises:
            InputError: The image's or the namespace's name is malformed.
        """
        documents = render(
            deployment,
            image=self.image_of(deployment),
            namespace=self.kubectl.namespace,
            service_type=self.service_type,
        )
        return to_yaml(documents)

    def deploy(self, deployment: Deployment, progress: Progress) -> DeploymentState:
        """Apply a deployment's manifests and return once all its first replicas are ready.

        Raises:
            InputError: The image's or the namespace's name is malformed.
            RunFailed: It did not become ready; names the cause and its evidence. Nothing of it is left.
        """
        manifests = self.manifests(deployment)
        self.store.save_deployment(self._placed(deployment))
        directory = self.store.deployment_directory(deployment.id)
        file = directory / "manifests.yaml"
        file.write_text(manifests, encoding="utf-8")
        try:
            self.kubectl.apply(file)
            observed = self._wait_available(deployment, progress)
            state = state_of(deployment, observed, self._reach(deployment, progress))
            self._recorder(deployment).look()
        except BaseException:
            with contextlib.suppress(FoodbenchError):
                self._recorder(deployment).look()
            self._remove_failed(deployment.id, progress)
            raise
        self._write(state)
        return state

    def _placed(self, deployment: Deployment) -> Deployment:
        place = ClusterPlace(
            context=self.kubectl.context, namespace=self.kubectl.namespace, image=self.image_of(deployment)
        )
        return deployment.model_copy(update={"target": "kubernetes", "cluster": place})

    def state(self, deployment_id: str) -> DeploymentState | None:
        """Return what is really there, or None where nothing was ever started.

        Raises:
            RunFailed: The API server cannot be reached, or does not let us look.
        """
        deployment = self.store.find_deployment(deployment_id)
        written = self.store.deployment_state(deployment_id)
        if deployment is None or (written is not None and written.phase == "stopped"):
            return written
        observer = self._observer(deployment)
        observed = observer.glance()
        if observed.answers:
            raise refusal(observed.answers[0])
        if not observed.deployment:
            if written is None:
                return None
            gone = {"phase": "failed", "replicas": (), "failure": "its objects are gone from the cluster"}
            return written.model_copy(update={**gone, "updated_at": time.time()})
        if text(condition(observed.deployment, "Available"), "status") != "True":
            observed = observer.observe()
        # Where nothing was written yet, whoever was deploying it has not come to reaching it.
        return state_of(deployment, observed, Reached("", "kube-proxy") if written is None else reached_before(written))

    def present(self) -> tuple[str, ...]:
        """Return the ids of all deployments that foodbench made in the namespace, whoever's results they belong to.

        Raises:
            RunFailed: They may not be listed, or the API server cannot be reached.
        """
        found = deployments_in(self.cluster, self.kubectl.namespace, MANAGED_BY)
        return tuple(sorted(name_of(one).removeprefix(NAME_PREFIX) for one in found))

    def capacity(self) -> Capacity:
        """Return the CPU of all nodes that pods may be put on, as far as the cluster lets us see them.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        nodes = [node for node in nodes_of(self.cluster) if at(node, "spec", "unschedulable") is not True]
        cores_of_all = sum(cores(at(node, "status", "allocatable", "cpu")) for node in nodes)
        return Capacity(cores=cores_of_all if nodes else None, shared_with_generator=runs_here(self.cluster))

    def recording(self, deployment_id: str) -> AbstractContextManager[None]:
        """While the block runs, append the cluster's events and the autoscaler's status to the deployment's folder.

        Raises:
            RunFailed: The API server cannot be reached, or does not let us look; raised at the end of the block.
        """
        deployment = self.store.find_deployment(deployment_id)
        return nullcontext() if deployment is None else recording(self._recorder(deployment).look)

    def usage(self, deployment_id: str) -> tuple[ReplicaUsage, ...]:
        """Return what each running replica has used so far, by the service's own metrics.

        A replica that does not answer is left out: a gap is no zero.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        deployment = self.store.find_deployment(deployment_id)
        if deployment is None:
            return ()
        observer = self._observer(deployment)
        found = []
        for pod in observer.pods():
            try:
                metrics = observer.metrics_of(name_of(pod), POD_PORT)
            except Refused:
                continue
            if (usage := usage_of(pod, metrics)) is not None:
                found.append(usage)
        return tuple(found)

    def service_counters(self, deployment_id: str) -> Mapping[str, ServiceCounters]:
        """Return what each pod's service says of itself; one that does not answer is left out.

        Raises:
            RunFailed: The API server cannot be reached.
        """
        deployment = self.store.find_deployment(deployment_id)
        if deployment is None:
            return {}
        observer = self._observer(deployment)
        found = {}
        for pod in observer.pods():
            with contextlib.suppress(Refused):
                if (counters := counters_of(observer.metrics_of(name_of(pod), POD_PORT))) is not None:
                    found[name_of(pod)] = counters
        return found

    def delete(self, deployment_id: str) -> None:
        """Remove what foodbench made for a deployment, and return once all of it is gone. Its folder stays.

        Raises:
            RunFailed: It cannot be removed; names the cause.
        """
        end_forward(deployment_id)
        self.kubectl.delete(selector_of(deployment_id), timeout_s=REMOVAL_S)
        self._wait_gone(deployment_id)
        written = self.store.deployment_state(deployment_id)
        if written is not None:
            self._write(written.model_copy(update={"phase": "stopped", "replicas": (), "updated_at": time.time()}))

    def _observer(self, deployment: Deployment) -> Observer:
        autoscaled = deployment.variant.autoscaling is not None
        return Observer(self.cluster, self.kubectl.namespace, selector_of(deployment.id), autoscaled=autoscaled)

    def _recorder(self, deployment: Deployment) -> Recorder:
        directory = self.store.deployment_directory(deployment.id)
        return Recorder(self._observer(deployment), directory, deployment.variant.autoscaling)

    def _wait_available(self, deployment: Deployment, progress: Progress) -> Observed:
        observer = self._observer(deployment)
        wanted = deployment.variant.replicas
        deadline_s = time.monotonic() + self.start_deadline_s
        while True:
            version = observer.version()
            observed = observer.observe()
            # A fault counts even where enough replicas are ready: an autoscaler that cannot act is one.
            if (found := diagnose(observed)) is not None:
                raise failure_of(found)
            ready = _ready(observed)
            progress.step("Starting replicas", min(ready, wanted), wanted)
            if ready >= wanted and _rolled_out(observed.deployment):
                return observed
            if time.monotonic() > deadline_s:
                raise _late(observed, wanted, self.start_deadline_s)
            observer.wait_for_change(version, timeout_s=WATCH_S)

    def _wait_gone(self, deployment_id: str) -> None:
        observer = Observer(self.cluster, self.kubectl.namespace, selector_of(deployment_id), autoscaled=False)
        deadline_s = time.monotonic() + REMOVAL_S
        while True:
            version = observer.version()
            if not (pods := observer.pods()):
                return
            if time.monotonic() > deadline_s:
                names = ", ".join(name_of(pod) for pod in pods)
                raise RunFailed(f"pods are still ending after {REMOVAL_S:g} s: {names}", "Look at them with kubectl")
            observer.wait_for_change(version, timeout_s=WATCH_S)

    def _remove_failed(self, deployment_id: str, progress: Progress) -> None:
        """Remove what is there of a deployment that failed; that this fails too must not hide why."""
        try:
            self.delete(deployment_id)
        except FoodbenchError as error:
            labels = selector_of(deployment_id)
            progress.say(f"What was begun could not be removed ({error}) Its objects have the labels {labels}")

    def _reach(self, deployment: Deployment, progress: Progress) -> Reached:
        observer = self._observer(deployment)
        deadline_s = time.monotonic() + (ADDRESS_S if self.service_type == "LoadBalancer" else self.reach_deadline_s)
        while self.service_type != "ClusterIP" and time.monotonic() < deadline_s:
            for url in urls_of(observer.services(), observer.nodes()):
                if self.answers(url):
                    return Reached(url, "kube-proxy")
            time.sleep(POLL_S)
        if self.service_type != "ClusterIP":
            progress.say("No address of the service answers from here: it is reached by a port-forward")
        (service,) = observer.services()
        directory = self.store.deployment_directory(deployment.id)
        return forward(self.kubectl, service, directory, self.answers, timeout_s=self.reach_deadline_s)

    def _write(self, state: DeploymentState) -> None:
        write_record(self.store.deployment_directory(state.id) / "state.json", state, replace=True)


def _ready(observed: Observed) -> int:
    return whole(observed.deployment, "status", "availableReplicas")


def _rolled_out(deployment: Plain) -> bool:
    """Return whether the controller has seen the newest specification, and no pod of an older one is left."""
    status = at(deployment, "status")
    seen = whole(status, "observedGeneration") >= whole(deployment, "metadata", "generation")
    return seen and whole(status, "updatedReplicas") == whole(status, "replicas")


def _late(observed: Observed, wanted: int, deadline_s: float) -> RunFailed:
    warnings = [f"{event.reason}: {event.message}" for event in observed.events if event.reason != "Pulled"]
    last = f"; the last event: {warnings[-1]}" if warnings else ""
    return RunFailed(
        f"{_ready(observed)} of {wanted} replicas were ready after {deadline_s:g} s{last}",
        "Give the replicas more CPU, use fewer of them, or look at them with kubectl describe pods",
    )
