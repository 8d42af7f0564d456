"""The manifests of one deployment: the shipped files, filled in."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from foodbench.deploy.kubernetes.overlays import Document, read_overlay
from foodbench.errors import InputError
from foodbench.records.deployments import Deployment
from foodbench.records.experiments import Autoscaling, Resources, ServiceType, Serving

__all__ = [
    "DEFAULT_NAMESPACE",
    "MANAGED_BY",
    "NAME_PREFIX",
    "object_name",
    "render",
    "selector_of",
]

DEFAULT_NAMESPACE = "foodbench"

MANAGED_BY = {"app.kubernetes.io/managed-by": "foodbench"}
"""Carried by what foodbench applies, not by what is applied by hand."""

SHIPPED_NAME = "foodbench"

NAME_PREFIX = "foodbench-"
"""Before a deployment's id: an id may begin with a digit, a Service's name may not."""

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")

LONGEST_NAME = 52
"""A Deployment's pods append up to 11 characters to it, within the 63 of a label's value."""

IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
"""An image reference, after the grammar of the OCI distribution's reference package."""


def object_name(deployment_id: str) -> str:
    """Return the name that all objects of a deployment share, and the value of their instance label.

    Raises:
        InputError: The id makes no name that Kubernetes takes.
    """
    name = f"{NAME_PREFIX}{deployment_id}"
    if DNS_LABEL.fullmatch(name) is None or len(name) > LONGEST_NAME:
        raise InputError(
            f"{name} cannot name a Kubernetes object",
            f"It may have lower-case letters, digits and hyphens, at most {LONGEST_NAME}",
        )
    return name


def selector_of(deployment_id: str) -> str:
    """Return the label selector, as kubectl takes it, of all that foodbench made for a deployment."""
    labels = {**_selector_labels(object_name(deployment_id)), **MANAGED_BY}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def render(
    deployment: Deployment,
    *,
    image: str,
    namespace: str = DEFAULT_NAMESPACE,
    service_type: ServiceType = "NodePort",
    directory: Path | None = None,
) -> tuple[Document, ...]:
    """Return the objects that run ``deployment``, in the order they are applied.

    The namespace itself is among them only where it is foodbench's own: any other belongs to someone else, is not
    changed, and must be there.

    Args:
        deployment: What to run. Its variant says mode, replicas and resources.
        image: The serving image, as the nodes can pull it or have it.
        namespace: Where.
        service_type: How the Service is reached.
        directory: The folder that holds the overlays; None for the one that ships with foodbench.

    Raises:
        InputError: The image's or the namespace's name is malformed, or the target of the CPU is no whole number
            of percent.
        MachineError: PyYAML is not installed.
    """
    _check_names(image, namespace)
    fill = _Filling(deployment, object_name(deployment.id), image, namespace, service_type)
    documents = (copy.deepcopy(document) for document in read_overlay(deployment.variant.mode, directory))
    return tuple(fill(document) for document in documents if _is_ours(document, namespace))


def _check_names(image: str, namespace: str) -> None:
    if IMAGE.fullmatch(image) is None:
        raise InputError(
            f"{image!r} is not an image's name",
            'It is like "registry.example.com/team/model:1"; only its tag has capitals',
        )
    if DNS_LABEL.fullmatch(namespace) is None or len(namespace) > 63:
        raise InputError(
            f"{namespace!r} is not a namespace's name", "It has lower-case letters, digits and hyphens, at most 63"
        )


def _is_ours(document: Document, namespace: str) -> bool:
    return document["kind"] != "Namespace" or namespace == DEFAULT_NAMESPACE


class _Filling:
    """Fills one shipped object in with what a deployment says."""

    def __init__(
        self, deployment: Deployment, name: str, image: str, namespace: str, service_type: ServiceType
    ) -> None:
        self._deployment = deployment
        self._name = name
        self._image = image
        self._namespace = namespace
        self._service_type = service_type
        self._by_kind: Mapping[str, Callable[[Document], None]] = {
            "Deployment": self._workload,
            "HorizontalPodAutoscaler": self._autoscaler,
            "NetworkPolicy": self._network_policy,
            "PodDisruptionBudget": self._disruption_budget,
            "Service": self._service,
        }

    def __call__(self, document: Document) -> Document:
        if document["kind"] == "Namespace":
            return document
        document["metadata"] = {
            "name": self._name,
            "namespace": self._namespace,
            "labels": self._labels(document["metadata"]["labels"]),
            "annotations": self._annotations(),
        }
        self._by_kind[document["kind"]](document)
        return document

    def _labels(self, shipped: Mapping[str, str]) -> dict[str, str]:
        variant = self._deployment.variant
        own = {"foodbench/mode": variant.mode, "foodbench/runtime": variant.runtime}
        return {**shipped, **_selector_labels(self._name), **MANAGED_BY, **own}

    def _annotations(self) -> dict[str, str]:
        return {
            "foodbench/variant": self._deployment.variant.name,
            "foodbench/model": self._deployment.variant.model,
            "foodbench/model-digest": self._deployment.model_digest,
            "foodbench/bundle-digest": self._deployment.bundle_digest,
        }

    def _workload(self, document: Document) -> None:
        spec = document["spec"]
        if self._deployment.variant.autoscaling is None:
            spec["replicas"] = self._deployment.variant.replicas
        spec["selector"]["matchLabels"] = _selector_labels(self._name)
        template = spec["template"]
        template["metadata"]["labels"] = self._labels(template["metadata"]["labels"])
        template["metadata"]["annotations"] = self._annotations()
        for constraint in template["spec"]["topologySpreadConstraints"]:
            constraint["labelSelector"]["matchLabels"] = _selector_labels(self._name)
        for container in template["spec"]["containers"]:
            container["image"] = self._image
            container["resources"] = _resources(self._deployment.variant.resources)
            _serve(container, self._deployment.variant.serving)

    def _service(self, document: Document) -> None:
        document["spec"]["type"] = self._service_type
        document["spec"]["selector"] = _selector_labels(self._name)

    def _network_policy(self, document: Document) -> None:
        document["spec"]["podSelector"]["matchLabels"] = _selector_labels(self._name)

    def _disruption_budget(self, document: Document) -> None:
        document["spec"]["selector"]["matchLabels"] = _selector_labels(self._name)

    def _autoscaler(self, document: Document) -> None:
        bounds = self._deployment.variant.autoscaling or Autoscaling()
        spec = document["spec"]
        spec["scaleTargetRef"]["name"] = self._name
        spec["minReplicas"] = bounds.min_replicas
        spec["maxReplicas"] = bounds.max_replicas
        spec["metrics"][0]["resource"]["target"]["averageUtilization"] = _whole_percent(bounds.target_cpu_percent)


def _selector_labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": SHIPPED_NAME, "app.kubernetes.io/instance": name}


def _resources(resources: Resources) -> dict[str, Any]:
    memory = _bytes(resources.memory_limit_bytes)
    return {
        "requests": {"cpu": _millicores(resources.cpu_request_cores), "memory": memory},
        "limits": {"cpu": _millicores(resources.cpu_limit_cores), "memory": memory},
    }


def _serve(container: Document, serving: Serving) -> None:
    """Probe a container's readiness as the variant says, and have it let as many requests wait."""
    probe = container["readinessProbe"]
    probe["httpGet"]["path"] = serving.readiness_path
    probe["periodSeconds"] = serving.readiness_period_s
    probe["timeoutSeconds"] = serving.readiness_timeout_s
    probe["failureThreshold"] = serving.readiness_failure_threshold
    if serving.queue_capacity is not None:
        container["args"] += ["--queue-capacity", str(serving.queue_capacity)]


def _millicores(cores: float) -> str:
    """Return CPU cores as Kubernetes writes them, rounded up to its smallest unit."""
    # The product of a decimal fraction and 1000 may lie a hair above the whole number that is meant.
    return f"{max(1, math.ceil(round(cores * 1000, 6)))}m"


def _bytes(count: int) -> str:
    return f"{count // 2**20}Mi" if count % 2**20 == 0 else str(count)


def _whole_percent(percent: float) -> int:
    if percent != int(percent):
        raise InputError(f"a CPU target of {percent:g} % is not whole", "Kubernetes takes whole percentages only")
    return int(percent)
