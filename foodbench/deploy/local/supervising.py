"""Looks after one deployment: its replicas, its load balancer, its autoscaler, and what is written of them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

import psutil

from foodbench.autoscaling import SYNC_PERIOD_S
from foodbench.deploy.local.autoscaler import Autoscaler
from foodbench.deploy.local.balancer import Balancer
from foodbench.deploy.local.fleet import choose_leaving, free_slot
from foodbench.deploy.local.limits import Limiter
from foodbench.deploy.local.replica import Replica, ReplicaPlan
from foodbench.errors import FoodbenchError, RunFailed
from foodbench.records.deployments import Deployment, DeploymentEvent, DeploymentState, ProbeFailure
from foodbench.store import append_line, write_record

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

CRASHES_BEFORE_GIVING_UP = 2
"""Of one replica before it was ever ready: a second one shows that the first was no accident."""

BALANCER_CHECK_S = 0.5


class Supervisor:
    """Runs one deployment to its end.

    Args:
        deployment: What was asked for.
        directory: Its folder.
        plan: What each replica runs, and how it is probed and ended.
        limiter: Limits its replicas.
        balancer: Stands for the Service.
        url: Where the balancer listens.
        now: A clock that counts on; seconds since the epoch.
    """

    def __init__(
        self,
        deployment: Deployment,
        directory: Path,
        plan: ReplicaPlan,
        limiter: Limiter,
        balancer: Balancer,
        url: str,
        now: Callable[[], float],
    ) -> None:
        self._deployment = deployment
        self._directory = directory
        self._plan = plan
        self._limiter = limiter
        self._balancer = balancer
        self._url = url
        self._now = now
        self._phase: Literal["starting", "available", "stopping", "stopped", "failed"] = "starting"
        self._failure: str | None = None
        self._desired = deployment.variant.replicas
        self._made = 0
        self._endpoints = 0
        self._running: dict[asyncio.Task[None], Replica] = {}
        self._stop = asyncio.Event()
        self._started_at = psutil.Process().create_time()

    # What the replicas tell.

    def event(
        self,
        kind: Literal["Normal", "Warning"],
        reason: str,
        replica: str | None,
        message: str,
        *,
        probe_failure: ProbeFailure | None = None,
        memory_peak_bytes: int | None = None,
    ) -> None:
        """Append an event, with the number of endpoints where it has changed since the event before."""
        endpoints = sum(one.phase == "ready" for one in self._replicas())
        happened = DeploymentEvent(
            time_s=self._now(),
            type=kind,
            reason=reason,
            replica=replica,
            message=message,
            probe_failure=probe_failure,
            ready_endpoints=endpoints if endpoints != self._endpoints else None,
            memory_peak_bytes=memory_peak_bytes,
        )
        self._endpoints = endpoints
        append_line(self._directory / "events.jsonl", happened)

    def changed(self) -> None:
        """Write the state anew."""
        state = DeploymentState(
            id=self._deployment.id,
            phase=self._phase,
            supervisor_pid=os.getpid(),
            supervisor_started_at=self._started_at,
            url=self._url,
            replicas=tuple(replica.state() for replica in self._running.values()),
            desired_replicas=self._desired,
            cpu_limiter=self._limiter.name,
            memory_limit_enforced=bool(self._running)
            and all(replica.memory_limit_enforced for replica in self._replicas()),
            load_balancer=self._balancer.name,
            load_balancer_pid=self._balancer.pid,
            failure=self._failure,
            updated_at=self._now(),
        )
        write_record(self._directory / "state.json", state, replace=True)

    # Its life.

    def stop(self) -> None:
        """End the deployment; ``run`` returns when all of it is gone."""
        self._stop.set()

    async def run(self) -> bool:
        """Start everything, look after it until told to stop, end everything; say whether it went well."""
        self.changed()
        stop = asyncio.create_task(self._stop.wait())
        try:
            await self._unless(stop, self._balancer.start())
            self.scale(self._desired, "the deployment was made")
            await self._unless(stop, self._look_after_balancer(), self._look_after_replicas(), self._serve())
        except FoodbenchError as error:
            self._failure = error.problem
        except Exception as error:
            # Whatever it is, what was started is ended and the user is told.
            logger.exception("the supervisor failed")
            self._failure = f"the supervisor failed: {error!r}"
        finally:
            stop.cancel()
            await self._tear_down()
        return self._failure is None

    @staticmethod
    async def _unless(stop: asyncio.Task[Any], *work: Coroutine[Any, Any, None]) -> None:
        """Do all of this work side by side, until told to stop; the first error ends it."""
        tasks = [asyncio.create_task(part) for part in work]
        all_work = asyncio.gather(*tasks)
        try:
            await asyncio.wait((all_work, stop), return_when=asyncio.FIRST_COMPLETED)
            if all_work.done():
                all_work.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, all_work, return_exceptions=True)

    async def _serve(self) -> None:
        await self._until_available()
        if self._deployment.variant.mode == "hpa":
            await self._autoscale()

    async def _look_after_balancer(self) -> None:
        while True:
            await asyncio.sleep(BALANCER_CHECK_S)
            if await self._balancer.restore():
                self.event(
                    "Warning", "LoadBalancerRestarted", None, "the load balancer had ended and was started again"
                )
                self.changed()

    async def _look_after_replicas(self) -> None:
        """Forget replicas that have left; an error in one ends the deployment."""
        while True:
            await asyncio.sleep(BALANCER_CHECK_S)
            if self._limiter.name == "duty-cycle":
                # How long replicas were held back stands in the state, for whoever watches them.
                self.changed()
            for task in tuple(self._running):
                if task.done():
                    del self._running[task]
                    task.result()
                    self.changed()

    async def _until_available(self) -> None:
        while True:
            replicas = tuple(self._running.values())
            for replica in replicas:
                if replica.failed_starts >= CRASHES_BEFORE_GIVING_UP:
                    raise RunFailed(
                        f"{replica.name} did not start: {replica.failure} ({replica.failed_starts} attempts)"
                    )
            if sum(replica.phase == "ready" for replica in replicas) >= self._desired:
                break
            await asyncio.sleep(0.05)
        self._phase = "available"
        self.changed()
        self.event("Normal", "Available", None, f"{self._desired} of {self._desired} replicas are ready")

    async def _autoscale(self) -> None:
        autoscaler = Autoscaler(self._deployment.variant)
        autoscaler.sample(self._replicas())
        due_s = self._now()
        while True:
            due_s += SYNC_PERIOD_S
            await asyncio.sleep(max(0.0, due_s - self._now()))
            autoscaler.sample(self._replicas())
            decision = autoscaler.decide(self._replicas(), current_replicas=self._desired, now_s=self._now())
            append_line(self._directory / "decisions.jsonl", decision)
            if decision.desired_replicas != self._desired:
                direction = "above" if decision.desired_replicas > self._desired else "below"
                reason = f"cpu resource utilization (percentage of request) {direction} target"
                self.event(
                    "Normal", "SuccessfulRescale", None, f"New size: {decision.desired_replicas}; reason: {reason}"
                )
                self.scale(decision.desired_replicas, "the autoscaler asked for it")

    def _replicas(self) -> tuple[Replica, ...]:
        return tuple(self._running.values())

    def scale(self, replicas: int, reason: str) -> None:
        """Add or drain replicas until this many stay."""
        self._desired = replicas
        staying = [replica for replica in self._replicas() if not replica.leaving]
        self.event("Normal", "ScalingReplicaSet", None, f"from {len(staying)} to {self._desired} replicas: {reason}")
        for replica in choose_leaving(staying, max(0, len(staying) - self._desired)):
            replica.leave(drain=True)
        for _ in range(self._desired - len(staying)):
            self._made += 1
            slot = free_slot([replica.slot for replica in self._replicas()])
            replica = Replica(f"replica-{self._made}", slot, self._plan, self._limiter, self._balancer, self, self._now)
            self._running[asyncio.create_task(replica.run())] = replica
        self.changed()

    async def _tear_down(self) -> None:
        self._phase = "stopping"
        self.changed()
        for replica in self._replicas():
            replica.leave(drain=False)
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._balancer.stop()
        self._running.clear()
        self._phase = "stopped" if self._failure is None else "failed"
        self.changed()
