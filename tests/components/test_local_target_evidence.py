"""What the supervisor writes down is what a diagnosis needs: a real balancer's shares, and a real readiness flap."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import builders
import pytest
from builders import deployment, failure_count, variant

from foodbench.analysis.diagnosis import diagnose
from foodbench.deploy.local.balancer import Balancer, listen
from foodbench.deploy.local.haproxy import HAProxy, find_haproxy
from foodbench.deploy.local.limits import Limits, choose_limiter
from foodbench.deploy.local.probes import ProbeSettings
from foodbench.deploy.local.processes import marks
from foodbench.deploy.local.proxy import BuiltInProxy
from foodbench.deploy.local.replica import ReplicaPlan
from foodbench.deploy.local.supervising import Supervisor
from foodbench.deploy.local.supervisor import service_command
from foodbench.records.deployments import DeploymentEvent, LoadBalancer
from foodbench.store import Store

pytestmark = pytest.mark.processes

STAND_IN = [sys.executable, str(Path(__file__).with_name("stand_in_service.py"))]
PATIENCE_S = 60.0

REPLICAS, CONNECTIONS = 5, 2_000
CHI_SQUARE_ONE_IN_A_MILLION = 33.4
"""Of four degrees of freedom."""


@pytest.mark.parametrize("name", ["haproxy", "built-in"])
def test_a_balancer_gives_each_replica_what_chance_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: LoadBalancer
) -> None:
    (tmp_path / "logs").mkdir()
    monkeypatch.chdir(tmp_path)
    with listen() as listening:
        balancer: Balancer = BuiltInProxy(listening)
        if name == "haproxy":
            balancer = HAProxy(find_haproxy(), tmp_path, listening, REPLICAS, marks(tmp_path, "load-balancer"))
        taken = asyncio.run(connections_taken(balancer, listening.getsockname()[1]))
    expected = CONNECTIONS / REPLICAS
    assert sum(taken) == CONNECTIONS
    assert sum((count - expected) ** 2 / expected for count in taken) < CHI_SQUARE_ONE_IN_A_MILLION, taken


async def connections_taken(balancer: Balancer, port: int) -> list[int]:
    taken = [0] * REPLICAS

    def counting(slot: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken[slot] += 1
            writer.close()

        return accept

    async def connect() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        writer.close()

    await balancer.start()
    servers = [await asyncio.start_server(counting(slot), "127.0.0.1", 0) for slot in range(REPLICAS)]
    try:
        for slot, server in enumerate(servers):
            await balancer.add(slot, server.sockets[0].getsockname()[1])
        for _ in range(CONNECTIONS // 50):
            await asyncio.gather(*(connect() for _ in range(50)))
    finally:
        await balancer.stop()
        for server in servers:
            server.close()
    return taken


class Users:
    """Threads that send one request after the other until they are ended, whatever becomes of them."""

    def __init__(self, url: str, number: int) -> None:
        self._url = url
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with urllib.request.urlopen(f"{self._url}/test", timeout=30) as answer:  # noqa: S310  # always http
                    answer.read()
            except OSError:
                self._ended.wait(0.02)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def test_a_probe_that_works_as_hard_as_a_request_takes_the_replica_out_and_that_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = deployment(id="flap-1", variant=variant())
    store = Store(tmp_path)
    store.save_deployment(intent)
    directory = store.deployment_directory(intent.id)
    (directory / "logs").mkdir()
    (tmp_path / "behaviour.json").write_text(json.dumps({"work_ms": 50}))
    monkeypatch.chdir(directory)
    plan = ReplicaPlan(
        directory=directory,
        command=lambda port: service_command(STAND_IN, tmp_path, port, 0.5),
        limits=Limits(0.5, 2**28),
        probe=ProbeSettings(path="/test", period_s=0.3, timeout_s=0.3, failure_threshold=2),
        drain_s=1,
        grace_s=30,
    )
    with listen() as listening:
        limiter, _ = choose_limiter()
        balancer = BuiltInProxy(listening)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        supervisor = Supervisor(intent, directory, plan, limiter, balancer, url, time.time)
        users = Users(url, 12)
        began = asyncio.run(flap(supervisor, store, users))
    events = store.deployment_events(intent.id)
    out = next(place for place, event in enumerate(events) if event.ready_endpoints == 0)
    assert (events[out].reason, events[out].probe_failure) == ("Unhealthy", "timeout")
    back = next(event for event in events[out:] if event.ready_endpoints == 1)
    assert back.reason == "Ready"

    elapsed_s = back.time_s - began
    failures = (failure_count(kind="connection-closed", count=40),)
    figures = builders.siege_figures(elapsed_s=elapsed_s, transactions=60, failed_transactions=40)
    load = builders.load_result(started_at=began, figures=figures, failures=failures)
    found = diagnose(builders.cell_result(events=events, load=load))[0]
    out_s = back.time_s - events[out].time_s
    assert found.evidence.startswith("readiness probe timed out under load at ")
    assert f"0 ready endpoints for {out_s:.1f} s; 40 connections closed before an answer" in found.evidence
    assert found.lost == pytest.approx(0.4)


async def flap(supervisor: Supervisor, store: Store, users: Users) -> float:
    """Load a replica until it has left, end the load, wait until it is back; return when the load began."""
    running = asyncio.create_task(supervisor.run())
    try:
        await seen(store, lambda events: any(event.ready_endpoints == 1 for event in events))
        began = time.time()
        users.start()
        try:
            await seen(store, lambda events: any(event.ready_endpoints == 0 for event in events))
        finally:
            await asyncio.to_thread(users.end)
        await seen(store, lambda events: events[-1].reason == "Ready")
    finally:
        supervisor.stop()
        await running
    return began


async def seen(store: Store, condition: Callable[[tuple[DeploymentEvent, ...]], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition(events := store.deployment_events("flap-1")):
        assert time.monotonic() < deadline, events
        await asyncio.sleep(0.05)
