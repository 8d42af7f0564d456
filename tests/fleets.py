"""The real service, supervised and balanced as a local deployment is, steered from within."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders import deployment, variant

from foodbench.deploy.local.balancer import Balancer, listen
from foodbench.deploy.local.haproxy import HAProxy, find_haproxy
from foodbench.deploy.local.limits import Limits, choose_limiter
from foodbench.deploy.local.probes import ProbeSettings
from foodbench.deploy.local.processes import DEPLOYMENT_MARK, marked, marks
from foodbench.deploy.local.proxy import BuiltInProxy
from foodbench.deploy.local.replica import ReplicaPlan
from foodbench.deploy.local.supervising import Supervisor
from foodbench.deploy.local.supervisor import DRAIN_S, GRACE_S, SERVICE, service_command
from foodbench.records.deployments import DeploymentState, LoadBalancer
from foodbench.store import Store

__all__ = ["PATIENCE_S", "Fleet", "running_fleet"]

PATIENCE_S = 60.0
MEMORY_BYTES = 2**29


@dataclass(frozen=True)
class Fleet:
    """Replicas behind one address."""

    supervisor: Supervisor
    store: Store
    deployment_id: str
    url: str

    def state(self) -> DeploymentState:
        """Return what is there now."""
        state = self.store.deployment_state(self.deployment_id)
        assert state is not None
        return state

    async def scale(self, replicas: int) -> None:
        """Change how many there are, and return once exactly these are there, and ready."""
        self.supervisor.scale(replicas, "it was asked for")
        await self.until(lambda state: (state.ready_replicas, len(state.replicas)) == (replicas, replicas))

    async def replace_oldest(self) -> None:
        """Start a replica, and then have the one leave that has been there the longest, with its connections."""
        before = self.state().desired_replicas
        await self.scale(before + 1)
        # Scaling down alone would always take the youngest, which has the fewest kept connections.
        oldest, *_ = self.supervisor._replicas()
        oldest.leave(drain=True)
        await self.scale(before)

    async def until(self, condition: Callable[[DeploymentState], bool]) -> None:
        """Wait until there is a state and something holds of it."""
        deadline = time.monotonic() + PATIENCE_S
        while (state := self.store.deployment_state(self.deployment_id)) is None or not condition(state):
            assert time.monotonic() < deadline, state
            await asyncio.sleep(0.02)

    def left(self) -> list[str]:
        """Return the processes and control groups that are still there."""
        groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/foodbench-{self.deployment_id}-*")]
        return [str(process) for process in marked({DEPLOYMENT_MARK: self.deployment_id})] + groups


@contextlib.asynccontextmanager
async def running_fleet(
    root: Path,
    bundle: Path,
    *,
    replicas: int,
    cpu_cores: float,
    balancer: LoadBalancer = "haproxy",
    service: Sequence[str] = SERVICE,
) -> AsyncIterator[Fleet]:
    """Run replicas until the block ends; they are ready when it begins, and gone when it has ended.

    Args:
        root: A results folder.
        bundle: What is served.
        replicas: How many at first.
        cpu_cores: The limit of each.
        balancer: What is in front of them.
        service: Program and first arguments of what a replica runs.
    """
    intent = deployment(id=f"fleet-{root.name[-20:].strip('-')}", variant=variant(mode="lb", replicas=replicas))
    store = Store(root)
    store.save_deployment(intent)
    directory = store.deployment_directory(intent.id)
    (directory / "logs").mkdir()
    plan = ReplicaPlan(
        directory=directory,
        command=lambda port: service_command(service, bundle, port, cpu_cores),
        limits=Limits(cpu_cores, MEMORY_BYTES),
        probe=ProbeSettings(),
        drain_s=DRAIN_S,
        grace_s=GRACE_S,
    )
    with listen() as listening:
        in_front: Balancer = BuiltInProxy(listening)
        if balancer == "haproxy":
            in_front = HAProxy(find_haproxy(), directory, listening, 4 * replicas, marks(directory, "load-balancer"))
        limiter, _ = choose_limiter()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        supervisor = Supervisor(intent, directory, plan, limiter, in_front, url, time.time)
        running = asyncio.create_task(supervisor.run())
        fleet = Fleet(supervisor, store, intent.id, url)
        try:
            await fleet.until(lambda state: state.ready_replicas == replicas)
            yield fleet
        finally:
            supervisor.stop()
            assert await running, fleet.state().failure
