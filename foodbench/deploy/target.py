"""Where a variant can be deployed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from foodbench.progress import Progress
from foodbench.records.deployments import Capacity, Deployment, DeploymentState
from foodbench.records.traces import ReplicaUsage, ServiceCounters

__all__ = ["Target"]


class Target(Protocol):
    """A place that runs deployments: this machine, or a namespace of a cluster."""

    def deploy(self, deployment: Deployment, progress: Progress) -> DeploymentState:
        """Start a deployment and return once all its first replicas are ready.

        Raises:
            RunFailed: It did not become ready; names the cause and its evidence. Nothing is left running.
        """

    def state(self, deployment_id: str) -> DeploymentState | None:
        """Return what is really there, or None where nothing was ever started."""

    def present(self) -> tuple[str, ...]:
        """Return the ids of all deployments that foodbench made here, whichever results folder they belong to."""

    def capacity(self) -> Capacity:
        """Return the CPU that all replicas together can have."""

    def recording(self, deployment_id: str) -> AbstractContextManager[None]:
        """While the block runs, have what happens to a deployment written into its folder: events and decisions.

        Raises:
            RunFailed: What happened could not be read; raised at the end of the block.
        """

    def usage(self, deployment_id: str) -> tuple[ReplicaUsage, ...]:
        """Return what each running replica has used so far."""

    def service_counters(self, deployment_id: str) -> Mapping[str, ServiceCounters]:
        """Return what each ready replica's service says of itself; one that does not answer is left out."""

    def delete(self, deployment_id: str) -> None:
        """Remove a deployment and return once all of it is gone. What is gone already is no error."""
