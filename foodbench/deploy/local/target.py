"""Deploys on this machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import psutil

from foodbench.deploy.local.limits import remove_leftover_groups, throttled_s_of
from foodbench.deploy.local.logs import last_line
from foodbench.deploy.local.processes import (
    DEPLOYMENT_MARK,
    PART_MARK,
    SUPERVISOR,
    descendants,
    end_all,
    is_alive,
    marked,
    marked_deployments,
    marks,
    orphans_within,
    peak_bytes,
    tree_usage,
)
from foodbench.deploy.local.scraping import read_counters
from foodbench.errors import RunFailed
from foodbench.process import spawn_detached
from foodbench.progress import Progress
from foodbench.provenance import usable_cores
from foodbench.records.deployments import Capacity, CpuLimiter, Deployment, DeploymentState, LoadBalancer, ReplicaState
from foodbench.records.traces import ReplicaUsage, ServiceCounters
from foodbench.store import Store, write_record

__all__ = ["LocalTarget", "Orphans"]

POLL_S = 0.05
REMOVAL_ATTEMPTS = 5
STOP_GRACE_S = 60.0
"""For a supervisor told to stop: its replicas' own grace period, and some more."""


@dataclass(frozen=True)
class Orphans:
    """Processes of a deployment whose supervisor is gone."""

    deployment_id: str
    pids: tuple[int, ...]


class LocalTarget:
    """Runs each deployment under a supervisor of its own, which outlives this process.

    Args:
        store: Where deployments are written down.
        start_deadline_s: How long a deployment may take until all its first replicas are ready.
        cpu_limiter: Limit CPU in this way only; None takes what works here.
        load_balancer: Use this one only; None takes HAProxy where there is one.
        service: Program and first arguments of what a replica runs; empty for foodbench's own service.
    """

    def __init__(
        self,
        store: Store,
        *,
        start_deadline_s: float = 300.0,
        cpu_limiter: CpuLimiter | None = None,
        load_balancer: LoadBalancer | None = None,
        service: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._start_deadline_s = start_deadline_s
        self._cpu_limiter = cpu_limiter
        self._load_balancer = load_balancer
        self._service = tuple(service)

    def deploy(self, deployment: Deployment, progress: Progress) -> DeploymentState:
        """Start a deployment and return once all its first replicas are ready.

        Raises:
            RunFailed: It did not become ready; names the cause and its evidence. Nothing is left running.
        """
        self._store.save_deployment(deployment)
        try:
            supervisor = self._spawn_supervisor(deployment.id)
            state = self._wait_available(deployment, supervisor, progress)
        except BaseException:
            self.delete(deployment.id)
            raise
        if state.load_balancer == "built-in":
            progress.say(
                "HAProxy is not on this machine: a plain built-in proxy stands for the Service and costs more CPU. "
                "Install HAProxy (apt install haproxy), or foodbench[haproxy] on Linux."
            )
        if state.cpu_limiter == "duty-cycle":
            progress.say(
                "No cgroup can be written here: CPU limits are enforced by stopping and continuing the replicas."
            )
        return state

    def _spawn_supervisor(self, deployment_id: str) -> tuple[int, float]:
        """Return its pid and creation time: while it is being started, its marks cannot be read yet."""
        directory = self._store.deployment_directory(deployment_id)
        logs = directory / "logs"
        logs.mkdir(exist_ok=True)
        arguments = [sys.executable, "-P", "-m", "foodbench.deploy.local.supervisor"]
        if self._cpu_limiter is not None:
            arguments += ["--cpu-limiter", self._cpu_limiter]
        if self._load_balancer is not None:
            arguments += ["--load-balancer", self._load_balancer]
        # Options come first: argparse takes none between the folder and what follows it.
        arguments.append(str(directory))
        if self._service:
            arguments += ["--", *self._service]
        pid = spawn_detached(arguments, log=logs / "supervisor.log", env={**os.environ, **marks(directory, SUPERVISOR)})
        # Not waited for, it keeps its pid even if it has ended already.
        return pid, psutil.Process(pid).create_time()

    def _wait_available(
        self, deployment: Deployment, supervisor: tuple[int, float], progress: Progress
    ) -> DeploymentState:
        replicas = deployment.variant.replicas
        deadline_s = time.monotonic() + self._start_deadline_s
        while True:
            alive = is_alive(*supervisor)
            # Read after looking for the supervisor: what it wrote last is in it.
            state = self._store.deployment_state(deployment.id)
            if state is not None and state.phase == "available":
                progress.step("Starting replicas", replicas, replicas)
                return state
            if state is not None and state.phase == "failed":
                raise RunFailed(f"the deployment failed: {state.failure}", self._see_logs(deployment.id))
            if not alive:
                log = self._store.deployment_directory(deployment.id) / "logs" / "supervisor.log"
                raise RunFailed(f"the deployment's supervisor ended: {last_line(log)}", self._see_logs(deployment.id))
            if time.monotonic() > deadline_s:
                raise self._late(deployment.id, state)
            progress.step("Starting replicas", 0 if state is None else state.ready_replicas, replicas)
            time.sleep(POLL_S)

    def _late(self, deployment_id: str, state: DeploymentState | None) -> RunFailed:
        if state is None:
            return RunFailed(f"the supervisor did not begin within {self._start_deadline_s:g} s")
        waiting = [replica.name for replica in state.replicas if replica.phase != "ready"]
        log = self._store.deployment_directory(deployment_id) / "logs" / f"{waiting[0] if waiting else ''}.log"
        return RunFailed(
            f"{state.ready_replicas} of {state.desired_replicas} replicas were ready after {self._start_deadline_s:g} s; "
            f"{', '.join(waiting)} not, whose last line is: {last_line(log)}",
            "Give the replicas more CPU, or fewer of them",
        )

    def _see_logs(self, deployment_id: str) -> str:
        return f"More is in {self._store.deployment_directory(deployment_id) / 'logs'}"

    def state(self, deployment_id: str) -> DeploymentState | None:
        """Return what is really there, or None where nothing was ever started.

        A deployment whose supervisor is gone has failed, whatever it wrote last.
        """
        state = self._store.deployment_state(deployment_id)
        if state is None or state.phase in ("stopped", "failed"):
            return state
        if is_alive(state.supervisor_pid, state.supervisor_started_at):
            return state
        # It may have ended in order since it was read.
        state = self._store.deployment_state(deployment_id) or state
        if state.phase in ("stopped", "failed"):
            return state
        left = tuple(replica.model_copy(update={"phase": "unready"}) for replica in state.replicas if _runs(replica))
        return state.model_copy(
            update={"phase": "failed", "replicas": left, "failure": "its supervisor is gone; delete the deployment"}
        )

    def present(self) -> tuple[str, ...]:
        """Return the ids of all deployments with a living process, whichever results folder they belong to."""
        return marked_deployments()

    def capacity(self) -> Capacity:
        """Return the cores that this process may use: replicas and load generator share them."""
        return Capacity(cores=usable_cores(), shared_with_generator=True)

    def recording(self, deployment_id: str) -> AbstractContextManager[None]:  # noqa: ARG002 - of the protocol
        """Do nothing: the deployment's supervisor writes down what happens."""
        return nullcontext()

    def usage(self, deployment_id: str) -> tuple[ReplicaUsage, ...]:
        """Return what each running replica has used so far. A restart begins anew."""
        state = self._store.deployment_state(deployment_id)
        if state is None:
            return ()
        found = []
        # Only the supervisor knows how long a duty cycle has held a replica back.
        by_state = state.cpu_limiter == "duty-cycle"
        for replica in state.replicas:
            if not _runs(replica):
                continue
            processes = descendants(replica.pid)
            memory_bytes, cpu_s = tree_usage(processes)
            if memory_bytes > 0:
                found.append(
                    ReplicaUsage(
                        replica=replica.name,
                        memory_bytes=memory_bytes,
                        cpu_s=cpu_s,
                        throttled_s=replica.throttled_s if by_state else throttled_s_of(replica.pid),
                        ready=replica.phase == "ready",
                        memory_peak_bytes=peak_bytes(processes),
                        restarts=replica.restarts,
                    )
                )
        return tuple(found)

    def service_counters(self, deployment_id: str) -> Mapping[str, ServiceCounters]:
        """Return what each ready replica's service says of itself; one that does not answer is left out."""
        state = self._store.deployment_state(deployment_id)
        if state is None:
            return {}
        return read_counters({replica.name: replica.port for replica in state.replicas if replica.phase == "ready"})

    def delete(self, deployment_id: str) -> None:
        """Remove a deployment's processes and limits, and return once all are gone. Its folder stays.

        Raises:
            RunFailed: A process cannot be ended.
        """
        supervisors = marked({DEPLOYMENT_MARK: deployment_id, PART_MARK: SUPERVISOR})
        end_all(supervisors, grace_s=STOP_GRACE_S)
        # Those that a killed supervisor left behind, until none is found: one may have been starting another.
        attempts = REMOVAL_ATTEMPTS
        while left := marked({DEPLOYMENT_MARK: deployment_id}):
            if attempts == 0:
                pids = ", ".join(str(process.pid) for process in left)
                raise RunFailed(f"processes of {deployment_id} cannot be ended: {pids}", "Restart the machine")
            attempts -= 1
            end_all(left, grace_s=0)
        remove_leftover_groups(deployment_id)
        state = self._store.deployment_state(deployment_id)
        if state is not None and state.phase not in ("stopped", "failed"):
            stopped = state.model_copy(update={"phase": "stopped", "replicas": (), "updated_at": time.time()})
            path = self._store.deployment_directory(deployment_id) / "state.json"
            write_record(path, stopped, replace=True)

    def find_orphans(self) -> tuple[Orphans, ...]:
        """Return the processes of this results folder's deployments whose supervisor is gone."""
        found = orphans_within(self._store.deployment_directory("any").parent)
        return tuple(Orphans(name, tuple(process.pid for process in processes)) for name, processes in found.items())


def _runs(replica: ReplicaState) -> bool:
    return is_alive(replica.pid, replica.started_at)
