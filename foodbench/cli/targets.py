"""Where the options say that variants are deployed, and what is in the way there."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import typer

from foodbench.errors import InputError

if TYPE_CHECKING:
    from foodbench.deploy.kubernetes.cluster import Cluster
    from foodbench.deploy.kubernetes.kubectl import Kubectl
    from foodbench.deploy.kubernetes.reading import Plain
    from foodbench.deploy.target import Target
    from foodbench.records.deployments import Deployment
    from foodbench.records.experiments import TargetSpec
    from foodbench.store import Store

__all__ = ["Place", "choose_target", "named_place", "offered", "open_place", "resolve_context", "target_of"]


@dataclass(frozen=True)
class Place:
    """A target, open."""

    spec: TargetSpec
    """Its context resolved."""
    target: Target
    nodes: tuple[Plain, ...] = ()
    """Of the cluster."""

    def holds(self, deployment: Deployment) -> bool:
        """Say whether a deployment was written down to be here."""
        if deployment.cluster is None:
            return self.spec.name == "local"
        return (deployment.cluster.context, deployment.cluster.namespace) == (self.spec.context, self.spec.namespace)


def choose_target(
    spec: TargetSpec,
    *,
    target: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    service: str | None = None,
    image: str | None = None,
    push: str | None = None,
    base: str | None = None,
) -> TargetSpec:
    """Return the target of an experiment, with what the options say in its place. No cluster is asked.

    Raises:
        InputError: An option's value is not right, or does not go with the others.
    """
    from foodbench.records.experiments import ServiceType, TargetName, TargetSpec

    if target is not None and target not in get_args(TargetName):
        raise InputError(f"--target: received {target}", f"Choose one of {', '.join(get_args(TargetName))}")
    if service is not None and service not in get_args(ServiceType):
        raise InputError(f"--service: received {service}", f"Choose one of {', '.join(get_args(ServiceType))}")
    of_cluster = {"context": context, "namespace": namespace, "service": service, "image": image, "push": push}
    given = {name: value for name, value in {**of_cluster, "base": base}.items() if value is not None}
    name = target or spec.name
    if name == "local":
        if given:
            raise InputError(f"--{next(iter(given))} is of target kubernetes", "Add --target kubernetes")
        return TargetSpec()
    if image is not None and push is not None:
        raise InputError("--image and --push exclude each other", "Leave one of them out")
    chosen = TargetSpec.model_validate({**spec.model_dump(), **given, "name": name})
    # What is given last wins: an image named here takes the place of one that the experiment pushes, and the reverse.
    if image is not None:
        return chosen.model_copy(update={"push": None})
    return chosen.model_copy(update={"image": None}) if push is not None else chosen


def resolve_context(spec: TargetSpec) -> TargetSpec:
    """Return the target with its context named: the current one, provided that it is a cluster on this machine.

    On a terminal any other may be confirmed.

    Raises:
        InputError: There is no current context, or it is not on this machine and was not confirmed.
        RunFailed: Its API server cannot be reached.
    """
    from foodbench.deploy.kubernetes.cluster import connect
    from foodbench.deploy.kubernetes.contexts import list_contexts, whose_cluster

    if spec.name == "local" or spec.context is not None:
        return spec
    found = list_contexts()
    if found.current is None:
        names = ", ".join(found.names)
        raise InputError("the kubeconfig has no current context", f"Name one with --context{names and ': '}{names}")
    cluster = connect(found.current)
    doubt = whose_cluster(cluster)
    if doubt and not offered(f"Use context {found.current}, namespace {spec.namespace}, although {doubt}?"):
        raise InputError(
            f"the current context, {found.current}, is not taken by default: {doubt}",
            f"If you mean it, add --context {found.current}",
        )
    return spec.model_copy(update={"context": found.current})


def open_place(spec: TargetSpec, store: Store) -> Place:
    """Open a target. Which cluster it is, is shown before anything there is changed.

    Args:
        spec: With its context resolved.
        store: Where deployments are written down.

    Raises:
        MachineError: kubectl or the package kubernetes is not installed.
        InputError: There is no such context.
        RunFailed: Its API server cannot be reached.
    """
    from foodbench.deploy.local import LocalTarget

    if spec.name == "local":
        return Place(spec, LocalTarget(store))
    from foodbench.cli.console import remarks
    from foodbench.delivery import image_for
    from foodbench.deploy.kubernetes.contexts import nodes_of
    from foodbench.deploy.kubernetes.target import KubernetesTarget

    cluster, kubectl = _connect(spec.context or "", spec.namespace)
    remarks().print(
        f"Cluster: context {kubectl.context} at {cluster.server}, namespace {kubectl.namespace}", markup=False
    )
    target = KubernetesTarget(
        store,
        cluster,
        kubectl,
        image_of=lambda one: image_for(spec, one.variant.model, one.variant.runtime, one.bundle_digest),
        service_type=spec.service,
    )
    return Place(spec, target, nodes_of(cluster))


def named_place(store: Store, *, target: str | None, context: str | None, namespace: str | None) -> Place | None:
    """Return the place that options name, open; None where they name none.

    Raises:
        FoodbenchError: As ``choose_target``, ``resolve_context`` and ``open_place`` do.
    """
    from foodbench.records.experiments import TargetSpec

    if target is None and context is None and namespace is None:
        return None
    spec = choose_target(TargetSpec(), target=target or "kubernetes", context=context, namespace=namespace)
    return open_place(resolve_context(spec), store)


def target_of(deployment: Deployment, store: Store) -> Target:
    """Return the target that a deployment was written down to be on."""
    from foodbench.deploy.local import LocalTarget

    if deployment.cluster is None:
        return LocalTarget(store)
    from foodbench.deploy.kubernetes.target import KubernetesTarget

    return KubernetesTarget(store, *_connect(deployment.cluster.context, deployment.cluster.namespace))


def offered(question: str) -> bool:
    """Ask on a terminal; elsewhere the answer is no."""
    return sys.stdin.isatty() and typer.confirm(question, err=True)


def _connect(context: str, namespace: str) -> tuple[Cluster, Kubectl]:
    from foodbench.deploy.kubernetes.cluster import connect
    from foodbench.deploy.kubernetes.kubectl import Kubectl

    kubectl = Kubectl(context, namespace)
    # Whether it is there shows before any long work.
    kubectl.command()
    return connect(context), kubectl
