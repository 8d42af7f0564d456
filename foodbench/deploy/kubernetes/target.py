"""Deploys on a Kubernetes cluster."""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from foodbench.deploy.kubernetes.cluster import Cluster, Refused
from foodbench.deploy.kubernetes.diagnosis import diagnose
from foodbench.deploy.kubernetes.findings import Observed, failure_of
from foodbench.deploy.kubernetes.kubectl import Kubectl
from foodbench.deploy.kubernetes.manifests import MANAGED_BY, NAME_PREFIX, render, selector_of
from foodbench.deploy.kubernetes.observing import Observer, deployments_in, refusal
from foodbench.deploy.kubernetes.reading import Plain, at, condition, name_of, objects, text, whole
from foodbench.deploy.kubernetes.states import POD_PORT, state_of, usage_of
from foodbench.deploy.kubernetes.yaml_text import to_yaml
from foodbench.deploy.service_metrics import counters_of
from foodbench.errors import FoodbenchError, RunFailed
from foodbench.progress import Progress
from foodbench.records.deployments import Deployment, DeploymentState
from foodbench.records.traces import ReplicaUsage, ServiceCounters
from foodbench.store import Store, write_record

__all__ = ["KubernetesTarget"]

WATCH_S = 5
"""A watch of the pods is taken up anew after this, since what other objects say changes without them."""

REMOVAL_S = 120.0
"""Twice a pod's grace period, and some more."""

PROBE_TIMEOUT_S = 3.0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=PROBE_TIMEOUT_S) as response:  # noqa: S310 - always http
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@dataclass(frozen=True)
class KubernetesTarget:
    """Runs each deployment in one namespace of one cluster."""

    store: Store
    """Where deployments are written down."""
    cluster: Cluster
    kubectl: Kubectl
    image: str
    """The serving image, as the nodes can pull it or have it."""
    start_deadline_s: float = 600.0
    """How long a deployment may take until all its first replicas are ready."""
    answers: Callable[[str], bool] = _answers
    """Whether a service answers at a root URL."""

    def manifests(self, deployment: Deployment) -> str:
        """Return what ``deploy`` applies, as YAML.

        Raises:
            InputError: The image's or the namespace's name is malformed.
        """
        return to_yaml(render(deployment, image=self.image, namespace=self.kubectl.namespace))

    def deploy(self, deployment: Deployment, progress: Progress) -> DeploymentState:
        """Apply a deployment's manifests and return once all its first replicas are ready.

        Raises:
            InputError: The image's or the namespace's name is malformed.
            RunFailed: It did not become ready; names the cause and its evidence. Nothing of it is left.
        """
        manifests = self.manifests(deployment)
        progress.say(f"Deploying to context {self.kubectl.context}, namespace {self.kubectl.namespace}")
        self.store.save_deployment(deployment)
        file = self.store.deployment_directory(deployment.id) / "manifests.yaml"
        file.write_text(manifests, encoding="utf-8")
        try:
            self.kubectl.apply(file)
            observed = self._wait_available(deployment, progress)
            state = state_of(deployment, observed, url=self._url(deployment))
        except BaseException:
            self._remove_failed(deployment.id, progress)
            raise
        self._write(state)
        return state

    def state(self, deployment_id: str) -> DeploymentState | None:
        """Return what is really there, or None where nothing was ever started.

        Raises:
            RunFailed: The API server cannot be reached, or does not let us look.
        """
        deployment = self.store.find_deployment(deployment_id)
        written = self.store.deployment_state(deployment_id)
        if deployment is None or written is None or written.phase == "stopped":
            return written
        observer = self._observer(deployment)
        observed = observer.glance()
        if observed.answers:
            raise refusal(observed.answers[0])
        if not observed.deployment:
            gone = {"phase": "failed", "replicas": (), "failure": "its objects are gone from the cluster"}
            return written.model_copy(update={**gone, "updated_at": time.time()})
        if text(condition(observed.deployment, "Available"), "status") != "True":
            observed = observer.observe()
        return state_of(deployment, observed, url=written.url)

    def present(self) -> tuple[str, ...]:
        """Return the ids of all deployments that foodbench made in the namespace, whoever's results they belong to.

        Raises:
            RunFailed: They may not be listed, or the API server cannot be reached.
        """
        found = deployments_in(self.cluster, self.kubectl.namespace, MANAGED_BY)
        return tuple(sorted(name_of(one).removeprefix(NAME_PREFIX) for one in found))

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
        self.kubectl.delete(selector_of(deployment_id), timeout_s=REMOVAL_S)
        deployment = self.store.find_deployment(deployment_id)
        if deployment is not None:
            self._wait_gone(deployment)
        written = self.store.deployment_state(deployment_id)
        if written is not None:
            self._write(written.model_copy(update={"phase": "stopped", "replicas": (), "updated_at": time.time()}))

    def _observer(self, deployment: Deployment) -> Observer:
        return Observer(
            self.cluster,
            self.kubectl.namespace,
            selector_of(deployment.id),
            autoscaled=deployment.variant.autoscaling is not None,
        )

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

    def _wait_gone(self, deployment: Deployment) -> None:
        observer = self._observer(deployment)
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

    def _url(self, deployment: Deployment) -> str:
        observer = self._observer(deployment)
        ports = [
            whole(port, "nodePort") for service in observer.services() for port in objects(service, "spec", "ports")
        ]
        hosts = [
            text(address, "address")
            for kind in ("ExternalIP", "InternalIP")
            for node in observer.nodes()
            for address in objects(node, "status", "addresses")
            if text(address, "type") == kind
        ]
        for url in (
            f"http://{f'[{host}]' if ':' in host else host}:{port}" for port in ports for host in hosts if port
        ):
            if self.answers(url):
                return url
        raise RunFailed(
            f"the service runs, but no node answers on its node port {', '.join(map(str, ports)) or '(there is none)'}; "
            f"tried {', '.join(hosts) or 'none: the nodes may not be listed'}",
            "Let this machine reach the nodes' port, or run foodbench inside the cluster's network",
        )

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
