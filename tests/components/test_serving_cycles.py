"""Replicas come and go under load, and no request fails; or they are killed.

``python -m tests.bench cycles chaos`` does the same for longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from fleets import running_fleet
from going_load import going_load
from serving_process import DEADLINE_S, serving, until
from tiny_bundles import make_bundle

from foodbench.records.deployments import LoadBalancer

pytestmark = pytest.mark.processes

CHECKS_EVERY_S = 2
UNANSWERED = {"connection-refused", "connection-reset", "connection-closed"}

SETTINGS = """
defaults
    mode http
    timeout check 10s
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    # A failure must show: nothing is tried again, nowhere else.
    retries 0
    option httpclose
    option httpchk GET /readyz
    default-server check inter {interval}s fall 1 rise 1
listen front
    bind 127.0.0.1:{front}
    server leaving 127.0.0.1:{leaving}
    server staying 127.0.0.1:{staying}
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    make_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def start_balancer(tmp_path: Path, require_program: Callable[[str], str]) -> Iterator[Callable[[int, int], str]]:
    """Start an HAProxy that finds out by itself, late, that a server is leaving; return its address."""
    with contextlib.ExitStack() as stack:

        def start(leaving: int, staying: int) -> str:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                front = listener.getsockname()[1]
            settings = tmp_path / "haproxy.cfg"
            settings.write_text(SETTINGS.format(interval=CHECKS_EVERY_S, front=front, leaving=leaving, staying=staying))
            balancer = subprocess.Popen(
                [require_program("haproxy"), "-db", "-f", str(settings)], stderr=subprocess.DEVNULL
            )
            stack.callback(balancer.wait)
            stack.callback(balancer.kill)
            return f"http://127.0.0.1:{front}"

        yield start


def test_a_replica_serves_on_until_a_slow_load_balancer_has_noticed(
    bundle: Path, tmp_path: Path, start_balancer: Callable[[int, int], str]
) -> None:
    with (
        serving(bundle, "--threads", "1", "--drain-s", "0", "--linger-s", "60") as leaving,
        serving(bundle, "--threads", "1") as staying,
    ):
        url = start_balancer(leaving.port, staying.port)
        until(lambda: _answers(url))
        with going_load(url, tmp_path / "load", users=4) as load:
            until(lambda: load.requests > 50)
            leaving.terminate()
            assert leaving.exit_code() == 0
            ended_after = load.requests
            until(lambda: load.requests > ended_after + 50)
        assert not load.failures()


@pytest.mark.parametrize(("connection", "balancer"), [("close", "haproxy"), ("keep-alive", "built-in")])
def test_replicas_that_are_replaced_under_load_lose_no_request(
    bundle: Path, tmp_path: Path, connection: Literal["close", "keep-alive"], balancer: LoadBalancer
) -> None:
    async def replace() -> None:
        async with running_fleet(tmp_path / "run", bundle, replicas=2, cpu_cores=0.5, balancer=balancer) as fleet:
            with going_load(fleet.url, tmp_path / "load", users=4, connection=connection) as load:
                await asyncio.to_thread(until, lambda: load.requests > 20)
                await fleet.replace_oldest()
                names = {replica.name for replica in fleet.state().replicas}
            assert names == {"replica-2", "replica-3"}
            assert load.requests > 0
            assert not load.failures()
        assert fleet.left() == []

    asyncio.run(replace())


def test_a_replica_killed_under_load_costs_only_the_requests_it_had(bundle: Path, tmp_path: Path) -> None:
    async def kill() -> None:
        async with running_fleet(tmp_path / "run", bundle, replicas=2, cpu_cores=0.5) as fleet:
            with going_load(fleet.url, tmp_path / "load", users=4) as load:
                await asyncio.to_thread(until, lambda: load.requests > 50)
                killed = fleet.state().replicas[0].pid
                os.kill(killed, signal.SIGKILL)
                await fleet.until(
                    lambda state: state.ready_replicas == 2 and killed not in {one.pid for one in state.replicas}
                )
                back_after = load.requests
                await asyncio.to_thread(until, lambda: load.requests > back_after + 50)
            assert {failure.partition(":")[0] for failure in load.failures()} <= UNANSWERED
            assert load.failures().total() < load.requests / 2
        assert fleet.left() == []

    asyncio.run(kill())


def _answers(url: str) -> bool:
    try:
        return httpx.get(url + "/test", timeout=DEADLINE_S).status_code == 200
    except httpx.TransportError:
        return False
