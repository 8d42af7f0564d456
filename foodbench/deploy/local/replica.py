"""One replica: the counterpart of a pod. Started, probed, restarted, drained."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from foodbench.deploy.local.backoff import BackOff
from foodbench.deploy.local.balancer import Balancer
from foodbench.deploy.local.children import spawn_child
from foodbench.deploy.local.limits import Limiter, Limits
from foodbench.deploy.local.limits.base import group_name
from foodbench.deploy.local.logs import last_line
from foodbench.deploy.local.metrics import CpuSample
from foodbench.deploy.local.probes import ProbeResult, ProbeSettings, Readiness, http_get
from foodbench.deploy.local.process_start import ProcessStart, ending, free_port, mib
from foodbench.deploy.local.processes import descendants, end_all, marked, marks, tree_usage
from foodbench.records.deployments import ProbeFailure, ReplicaState

__all__ = ["Replica", "ReplicaPlan", "Witness"]

STEP_S = 0.05
MEMORY_EVERY_S = 0.25


class Witness(Protocol):
    """Hears what happens to a replica."""

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
        """Write down that something happened."""

    def changed(self) -> None:
        """Write down what is there now."""


@dataclass(frozen=True)
class ReplicaPlan:
    """What all replicas of a deployment have in common."""

    directory: Path
    """The deployment's."""
    command: Callable[[int], Sequence[str]]
    """The program and its arguments, for a port."""
    limits: Limits
    probe: ProbeSettings
    drain_s: float
    """How long connections may take to end, once no new ones come, before SIGTERM; as a preStop sleep."""
    grace_s: float
    """From SIGTERM to SIGKILL: a pod's ``terminationGracePeriodSeconds``."""


class Replica:
    """Runs one replica until it is told to leave.

    Args:
        name: Unique within the deployment.
        slot: Its place in the load balancer.
        plan: What to run.
        limiter: Puts the limits in place.
        balancer: Where it is added and taken out.
        witness: Hears of it.
        now: A clock that counts on; seconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        slot: int,
        plan: ReplicaPlan,
        limiter: Limiter,
        balancer: Balancer,
        witness: Witness,
        now: Callable[[], float],
    ) -> None:
        self.name = name
        self.slot = slot
        self.created_at = now()
        self.ready_changed_at = self.created_at
        self.phase: Literal["starting", "ready", "unready", "draining", "back-off"] = "starting"
        self.restarts = 0
        self.failure = ""
        """Why its last process ended, while it has never been ready."""
        self.failed_starts = 0
        """Starts in a row that ended before it was ready."""
        self.memory_limit_enforced = False
        """By the kernel; otherwise its memory is watched, four times a second."""
        self.log = plan.directory / "logs" / f"{name}.log"
        self._plan = plan
        self._limiter = limiter
        self._balancer = balancer
        self._witness = witness
        self._now = now
        self._start: ProcessStart | None = None
        self._leaving = asyncio.Event()
        self._drain_s = 0.0

    @property
    def leaving(self) -> bool:
        """Whether it has been told to leave."""
        return self._leaving.is_set()

    def leave(self, *, drain: bool) -> None:
        """Tell it to leave; ``run`` returns when it has.

        Args:
            drain: Whether connections it has may end first.
        """
        self._drain_s = self._plan.drain_s if drain else 0.0
        self._leaving.set()

    def state(self) -> ReplicaState:
        """Return what is there now."""
        start = self._start
        return ReplicaState(
            name=self.name,
            pid=0 if start is None else start.child.pid,
            started_at=self.created_at if start is None else start.child.started_at,
            port=0 if start is None else start.port,
            phase=self.phase,
            restarts=self.restarts,
            throttled_s=start.limit.throttled_s() if start is not None and self._limiter.name == "duty-cycle" else None,
        )

    def cpu_sample(self) -> CpuSample | None:
        """Return the CPU time of the present process, or None while there is none."""
        if self._start is None:
            return None
        _, cpu_s = tree_usage(descendants(self._start.child.pid))
        return CpuSample(self._now(), self._start.begun_s, cpu_s)

    async def run(self) -> None:
        """Start the process, again whenever it has ended, until told to leave."""
        back_off = BackOff()
        while not self._leaving.is_set():
            begun_s = self._now()
            await self._run_once()
            if self._leaving.is_set():
                break
            delay_s, back_off = back_off.after_crash(self._now() - begun_s)
            self.restarts += 1
            if delay_s > 0:
                self._set_phase("back-off")
                self._witness.event(
                    "Warning", "BackOff", self.name, f"waiting {delay_s:g} s before it is started again"
                )
                await self._wait_leaving(delay_s)

    async def _wait_leaving(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._leaving.wait()
        except TimeoutError:
            pass

    async def _run_once(self) -> None:
        start = self._begin()
        try:
            while (code := start.child.exit_code()) is None and not self._leaving.is_set():
                self._watch_memory(start)
                await self._probe(start)
                await asyncio.sleep(STEP_S)
            if code is None:
                await self._end(start)
            else:
                await self._balancer.remove(self.slot)
                self._set_phase("unready")
                self._tell_exit(start, code)
        finally:
            await self._clean_up(start)

    def _begin(self) -> ProcessStart:
        port = free_port()
        limit = self._limiter.limit(group_name(self._plan.directory.name, self.name), self._plan.limits)
        try:
            child = spawn_child(
                self._plan.command(port),
                log=self.log,
                env=marks(self._plan.directory, self.name),
                launch_options=limit.launch_options,
            )
        except BaseException:
            limit.release()
            raise
        limit.started(child.pid)
        self.memory_limit_enforced = limit.memory_enforced
        self._start = ProcessStart(child, limit, port, begun_s=self._now())
        self._set_phase("starting")
        self._witness.event("Normal", "Started", self.name, f"process {child.pid} on port {port}")
        return self._start

    def _set_phase(self, phase: Literal["starting", "ready", "unready", "draining", "back-off"]) -> None:
        if (phase == "ready") != (self.phase == "ready"):
            self.ready_changed_at = self._now()
        self.phase = phase
        self._witness.changed()

    def _watch_memory(self, start: ProcessStart) -> None:
        if self._now() >= start.next_memory_s:
            start.next_memory_s = self._now() + MEMORY_EVERY_S
            self._is_over_memory(start)

    def _is_over_memory(self, start: ProcessStart) -> bool:
        """End a process that uses more memory than it may, where no cgroup does."""
        if start.limit.memory_enforced:
            return False
        memory_bytes, _ = tree_usage(descendants(start.child.pid))
        if memory_bytes <= self._plan.limits.memory_bytes:
            return False
        start.over_memory_bytes = memory_bytes
        start.child.kill_group()
        return True

    async def _probe(self, start: ProcessStart) -> None:
        settings = self._plan.probe
        if start.probe is not None and start.probe.done():
            result, start.probe = start.probe.result(), None
            if result.ok and not start.readiness.ready and self._is_over_memory(start):
                return
            before, start.readiness = start.readiness, start.readiness.after(result, settings)
            start.next_probe_s += start.readiness.next_probe_in_s(settings)
            await self._tell_readiness(start, before, result)
        if start.probe is None and self._now() >= start.next_probe_s:
            start.next_probe_s = self._now()
            start.probe = asyncio.create_task(http_get(start.port, settings))

    async def _tell_readiness(self, start: ProcessStart, before: Readiness, result: ProbeResult) -> None:
        if start.readiness.ready and not before.ready:
            await self._balancer.add(self.slot, start.port)
            self.failed_starts = 0
            self._set_phase("ready")
            after_s = self._now() - start.begun_s
            self._witness.event("Normal", "Ready", self.name, f"ready {after_s:.2f} s after its process was started")
        elif before.ready and not result.ok:
            self._witness.event(
                "Warning",
                "Unhealthy",
                self.name,
                f"Readiness probe failed: {result.detail}",
                probe_failure=result.failure,
            )
            if not start.readiness.ready:
                await self._balancer.remove(self.slot)
                self._set_phase("unready")
                self._witness.event(
                    "Warning",
                    "Unhealthy",
                    self.name,
                    f"not ready after {start.readiness.failures} failed probes in a row; it gets no new connections",
                    probe_failure=result.failure,
                )

    async def _end(self, start: ProcessStart) -> None:
        """Take it out of the load balancer, then ask it to end, then end it."""
        await self._balancer.drain(self.slot)
        self._set_phase("draining")
        self._witness.event(
            "Normal", "Killing", self.name, "no new connections; ends when it has finished those it has"
        )
        await self._until(start, self._drain_s, connections_too=True)
        if start.child.exit_code() is None:
            start.child.signal(signal.SIGTERM)
        if not await self._until(start, self._plan.grace_s, connections_too=False):
            self._witness.event("Warning", "Killing", self.name, f"still there {self._plan.grace_s:g} s after SIGTERM")
            start.child.kill_group()
            await self._until(start, self._plan.grace_s, connections_too=False)
        await self._balancer.remove(self.slot)

    async def _until(self, start: ProcessStart, timeout_s: float, *, connections_too: bool) -> bool:
        """Wait for the process to end, or also for its connections to; say whether that came within the timeout."""
        deadline_s = self._now() + timeout_s
        while self._now() < deadline_s:
            if start.child.exit_code() is not None:
                return True
            if connections_too and await self._balancer.connections(self.slot) == 0:
                return True
            await asyncio.sleep(STEP_S)
        return start.child.exit_code() is not None

    def _tell_exit(self, start: ProcessStart, code: int) -> None:
        peak_bytes = start.over_memory_bytes or start.limit.peak_memory_bytes()
        if start.over_memory_bytes is not None or start.limit.oom_kills() > 0:
            peak = "" if peak_bytes is None else f": peak {mib(peak_bytes)} of {mib(self._plan.limits.memory_bytes)}"
            reason, message = "OOMKilled", f"it used more memory than its limit allows{peak}"
        else:
            peak_bytes = None
            reason, message = "Error", f"its process ended {ending(code)}: {last_line(self.log)}"
        if not start.readiness.was_ready:
            self.failed_starts += 1
            self.failure = f"{reason}: {message}" if reason == "OOMKilled" else message
        self._witness.event("Warning", reason, self.name, message, memory_peak_bytes=peak_bytes)

    async def _clean_up(self, start: ProcessStart) -> None:
        if start.probe is not None:
            start.probe.cancel()
            await asyncio.gather(start.probe, return_exceptions=True)
        if start.child.exit_code() is None:
            start.child.kill_group()
            await self._until(start, self._plan.grace_s, connections_too=False)
        # What it may have started and left behind.
        end_all(marked(marks(self._plan.directory, self.name)), grace_s=0)
        start.limit.release()
        self._start = None
        if self.phase == "ready":
            self.phase = "unready"
            self.ready_changed_at = self._now()
        self._witness.changed()
