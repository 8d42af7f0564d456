"""Replicas leave under load without one request lost."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from builders import deployment, variant

from foodbench.deploy.local.balancer import Balancer, listen
from foodbench.deploy.local.haproxy import HAProxy, find_haproxy
from foodbench.deploy.local.limits import Limits, choose_limiter
from foodbench.deploy.local.probes import ProbeSettings
from foodbench.deploy.local.processes import marks
from foodbench.deploy.local.proxy import BuiltInProxy
from foodbench.deploy.local.replica import ReplicaPlan
from foodbench.deploy.local.supervising import Supervisor
from foodbench.deploy.local.supervisor import service_command
from foodbench.records.deployments import LoadBalancer
from foodbench.store import Store

pytestmark = pytest.mark.processes

STAND_IN = [sys.executable, str(Path(__file__).with_name("stand_in_service.py"))]
PATIENCE_S = 60.0
ROUNDS = 1


class Clients:
    """Threads that send one request after the other, one connection each."""

    def __init__(self, url: str, number: int) -> None:
        self._url = url
        self._ended = threading.Event()
        self.answers = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with urllib.request.urlopen(f"{self._url}/test", timeout=30) as answer:  # noqa: S310  # always http
                    answer.read()
                self.answers += 1
            except OSError as error:
                self.failures.append(repr(error))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("name", ["haproxy", "built-in"])
def test_replicas_that_leave_under_load_lose_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: LoadBalancer
) -> None:
    intent = deployment(id="scaling-1", variant=variant(mode="lb", replicas=3))
    store = Store(tmp_path)
    store.save_deployment(intent)
    directory = store.deployment_directory(intent.id)
    (directory / "logs").mkdir()
    (tmp_path / "behaviour.json").write_text(json.dumps({"work_ms": 5}))
    monkeypatch.chdir(directory)
    plan = ReplicaPlan(
        directory=directory,
        command=lambda port: service_command(STAND_IN, tmp_path, port, 0.3),
        limits=Limits(0.3, 2**28),
        probe=ProbeSettings(),
        drain_s=5,
        grace_s=30,
    )
    with listen() as listening:
        balancer: Balancer = BuiltInProxy(listening)
        if name == "haproxy":
            balancer = HAProxy(find_haproxy(), directory, listening, 6, marks(directory, "load-balancer"))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        limiter, _ = choose_limiter()
        supervisor = Supervisor(intent, directory, plan, limiter, balancer, url, time.time)
        clients = Clients(url, 6)
        assert asyncio.run(scale_up_and_down(supervisor, store, clients))
    assert clients.failures == []
    assert clients.answers > 0
    killed = [event for event in store.deployment_events(intent.id) if event.reason == "Killing"]
    assert len(killed) == 2 * (ROUNDS + 1) + 1


async def scale_up_and_down(supervisor: Supervisor, store: Store, clients: Clients) -> bool:
    running = asyncio.create_task(supervisor.run())
    await reached(store, ready=3, total=3)
    clients.start()
    try:
        for _ in range(ROUNDS):
            before = clients.answers
            supervisor.scale(1, "the test asked for it")
            await reached(store, ready=1, total=1)
            supervisor.scale(3, "the test asked for it")
            await reached(store, ready=3, total=3)
            assert clients.answers > before
        supervisor.scale(1, "the test asked for it")
        await reached(store, ready=1, total=1)
    finally:
        await asyncio.to_thread(clients.end)
        supervisor.stop()
    return await running


async def reached(store: Store, *, ready: int, total: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        state = store.deployment_state("scaling-1")
        if state is not None and (state.ready_replicas, len(state.replicas)) == (ready, total):
            return
        assert time.monotonic() < deadline, state
        await asyncio.sleep(0.05)
