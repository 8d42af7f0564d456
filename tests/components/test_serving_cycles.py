"""Replicas that start and stop behind a load balancer, under load: no request fails.

FOODBENCH_CYCLES sets how many; 10 where it is not set.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from serving_process import DEADLINE_S, ServiceProcess, serving, until
from tiny_bundles import make_bundle

CYCLES = int(os.environ.get("FOODBENCH_CYCLES", "10"))

pytestmark = [pytest.mark.processes, pytest.mark.timeout(60 + 20 * CYCLES)]

USERS = 4
DRAIN_S = 2
"""Ten checks of the load balancer's, for machines as busy as CI's."""

SETTINGS = """
defaults
    mode http
    # Without it a check may take no longer than its interval, which on a busy machine is too little.
    timeout check 5s
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    # A failure must show: nothing is tried again, nowhere else.
    retries 0
    option httpchk GET /readyz
    default-server check inter 200ms fall 1 rise 1
listen front
    bind 127.0.0.1:{front}
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
"""


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def users(url: str) -> Iterator[Counter[object]]:
    """Let users come one request after the other, each on a connection of its own, and count what they get."""
    outcomes: Counter[object] = Counter()
    lock, ended = threading.Lock(), threading.Event()

    def user() -> None:
        while not ended.is_set():
            try:
                outcome: object = httpx.get(url, headers={"connection": "close"}, timeout=DEADLINE_S).status_code
            except httpx.HTTPError as error:
                outcome = repr(error)
            with lock:
                outcomes[outcome] += 1

    with ThreadPoolExecutor(USERS) as pool:
        running = [pool.submit(user) for _ in range(USERS)]
        try:
            yield outcomes
        finally:
            ended.set()
    for each in running:
        each.result()


def test_no_request_fails_while_replicas_come_and_go(tmp_path: Path, require_program: Callable[[str], str]) -> None:
    bundle = tmp_path / "bundle"
    make_bundle(bundle)
    front, *ports = free_ports(3)
    settings = tmp_path / "haproxy.cfg"
    settings.write_text(SETTINGS.format(front=front, a=ports[0], b=ports[1]))

    def replica(number: int) -> contextlib.AbstractContextManager[ServiceProcess]:
        return serving(bundle, "--threads", "1", "--port", str(ports[number % 2]), "--drain-s", str(DRAIN_S))

    with contextlib.ExitStack() as stack:
        leaving = stack.enter_context(replica(0))
        balancer = subprocess.Popen([require_program("haproxy"), "-db", "-f", str(settings)], stderr=subprocess.DEVNULL)
        stack.callback(balancer.wait)
        stack.callback(balancer.kill)
        url = f"http://127.0.0.1:{front}/test"
        # HAProxy takes a server for up until its first check.
        until(lambda: all(_status(url) == 200 for _ in range(20)))
        # The users leave before the stack ends what serves them.
        with users(url) as outcomes:
            began_s = time.monotonic()
            for cycle in range(1, CYCLES + 1):
                coming = stack.enter_context(replica(cycle))
                until(partial(_serves, coming))
                leaving.terminate()
                assert leaving.exit_code() == 0
                leaving = coming
                assert set(outcomes) == {200}, f"in cycle {cycle}: {dict(outcomes)}"
            duration_s = time.monotonic() - began_s
    print(f"{CYCLES} cycles in {duration_s:.0f} s: {dict(outcomes)}")  # noqa: T201 -- for whoever runs many
    assert set(outcomes) == {200}
    assert outcomes[200] > CYCLES


def _serves(service: ServiceProcess) -> bool:
    return service.metric('foodbench_requests_total{outcome="ok",route="test"}') > 0


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=DEADLINE_S).status_code
    except httpx.TransportError:
        return 0
