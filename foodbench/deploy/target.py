"""Where a variant can be deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from foodbench.progress import Progress
from foodbench.records.deployments import Deployment, DeploymentState
from foodbench.records.traces import ReplicaUsage, ServiceCounters

__all__ = ["Target"]


class Target(Protocol):
    """A place that runs deployments: this machine, or later a cluster."""

    def deploy(self, deployment: Deployment, progress: Progress) -> DeploymentState:
        """Start a deployment and return once all its first replicas are ready.

        Raises:
            RunFailed: It did not become ready; names the cause and its evidence. Nothing is left running.
        """

    def state(self, deployment_id: str) -> DeploymentState | None:
        """Return what is really there, or None where nothing was ever started."""

    def usage(self, deployment_id: str) -> tuple[ReplicaUsage, ...]:
        """Return what each running replica has used so far."""

    def service_counters(self, deployment_id: str) -> Mapping[str, ServiceCounters]:
        """Return what each ready replica's service says of itself; one that does not answer is left out."""

    def delete(self, deployment_id: str) -> None:
        """Remove a deployment and return once all of it is gone. What is gone already is no error."""
