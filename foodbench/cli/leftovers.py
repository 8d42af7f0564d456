"""What earlier commands left deployed, and would disturb or be disturbed by the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foodbench.cli.console import remarks
from foodbench.cli.targets import Place, offered, target_of
from foodbench.errors import InputError

if TYPE_CHECKING:
    from foodbench.deploy.target import Target
    from foodbench.records.deployments import Deployment
    from foodbench.store import Store

__all__ = ["delete_deployment", "described", "make_room"]


def delete_deployment(store: Store, target: Target, deployment_id: str) -> None:
    """Remove a deployment and its folder, and forget it as the current one."""
    target.delete(deployment_id)
    store.remove_deployment(deployment_id)
    current = store.current()
    if current.deployment == deployment_id:
        store.set_current(current.model_copy(update={"deployment": None}))


def make_room(store: Store, place: Place, *, replace: bool) -> None:
    """See to it that nothing of this results folder is deployed any more.

    What is found is offered for removal on a terminal. What a command that died left of this folder, and does not
    run any more, is removed. Deployments of other results folders on the same target are pointed out.

    Args:
        store: Of the results folder.
        place: Where the next deployment goes.
        replace: Remove also what is still running, without asking.

    Raises:
        InputError: Something is still running, and was not to be removed.
    """
    known = store.deployments()
    for deployment in known:
        target = target_of(deployment, store)
        state = target.state(deployment.id)
        alive = state is not None and state.phase not in {"stopped", "failed"}
        if alive and not replace and not offered(f"{described(deployment)} is still running. Remove it?"):
            raise InputError(
                f"{described(deployment)} is still running and would disturb this one",
                "Remove it first with foodbench delete, or add --replace",
            )
        if state is not None and state.phase == "failed":
            remarks().print(f"Removing what is left of {described(deployment)}: {state.failure}", markup=False)
        delete_deployment(store, target, deployment.id)
    for stranger in sorted(set(place.target.present()) - {deployment.id for deployment in known}):
        _point_out(stranger, place)


def described(deployment: Deployment) -> str:
    """Return a deployment's id, variant and, on a cluster, its context and namespace, for a message."""
    where = ""
    if deployment.cluster is not None:
        where = f", context {deployment.cluster.context}, namespace {deployment.cluster.namespace}"
    return f"{deployment.id} ({deployment.variant.name}{where})"


def _point_out(deployment_id: str, place: Place) -> None:
    """Name a deployment whose run may have died, or may be somebody else's: that is for its owner to know."""
    where = "on this machine"
    command = f"foodbench delete {deployment_id} --target {place.spec.name}"
    if place.spec.name == "kubernetes":
        where = f"in namespace {place.spec.namespace}"
        command += f" --context {place.spec.context} --namespace {place.spec.namespace}"
    remarks().print(
        f"Also {where}, and not of this results folder: {deployment_id}. It may disturb what is measured. "
        f"If its run has died, remove it: {command}",
        markup=False,
    )
    if offered(f"Remove {deployment_id} now?"):
        place.target.delete(deployment_id)
