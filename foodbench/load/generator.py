"""The load generator: a process of its own, because Locust patches the standard library.

    python -m foodbench.load.generator PROFILE_JSON URL SAMPLES_PATH

Its standard input is a leash: when it ends, because the process that holds it has closed it or died, the
load ends too. SIGINT and SIGTERM end it as well. However it ends, what it measured so far is on disk.
Locust starts the users, runs their loops and stops them; its statistics, which round, are not used.
"""

from __future__ import annotations

# First: it patches what the other modules import.
import locust  # isort: skip

import gc
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import pyarrow as pa
from gevent.event import Event
from gevent.socket import wait_read
from locust.env import Environment
from locust.exception import StopUser

from foodbench.load.address import parse_address, request_bytes
from foodbench.load.exchange import Client, Endpoint, Exchange, resolve
from foodbench.load.messages import Began, Ended, Message, Running, WarmedUp
from foodbench.load.pacing import pause_after
from foodbench.records.experiments import LoadProfile
from foodbench.records.traces import LOAD_COLUMNS
from foodbench.streams import StreamWriter

FLUSH_INTERVAL_S = 0.25
"""A generator that is killed loses no more than this."""


OTHER_OPEN_FILES = 200
"""Of the generator itself, besides one connection a user."""


@dataclass
class Load:
    """One load while it runs: what its users share."""

    profile: LoadProfile
    endpoint: Endpoint
    request: bytes
    writer: StreamWriter
    stopped: Event
    began_s: float = field(default_factory=time.perf_counter)
    began_cpu_s: float = field(default_factory=time.process_time)
    epoch_offset_s: float = field(default_factory=lambda: time.time() - time.perf_counter())
    samples: int = 0
    failures: int = 0
    bug: Exception | None = None

    @property
    def elapsed_s(self) -> float:
        """Return the time since the load began."""
        return time.perf_counter() - self.began_s

    @property
    def cpu_s(self) -> float:
        """Return the CPU time this process has used since the load began."""
        return time.process_time() - self.began_cpu_s

    @property
    def has_given_up(self) -> bool:
        """Return whether as many requests have failed as end the load."""
        most = self.profile.stop_after_failures
        return most is not None and self.failures >= most

    def client(self) -> Client:
        """Return a client for one user."""
        keep_alive = self.profile.connection == "keep-alive"
        return Client(self.endpoint, self.request, keep_alive=keep_alive, timeout_s=self.profile.timeout_s)

    def record(self, exchange: Exchange) -> bool:
        """Keep one request and return True; False if it ended after the load did, since siege does not count those."""
        if exchange.started_s + exchange.latency_s - self.began_s > self.profile.duration_s:
            return False
        self.samples += 1
        self.failures += exchange.failure is not None
        if self.has_given_up:
            self.stopped.set()
        self.writer.add(
            {
                "started_at": self.epoch_offset_s + exchange.started_s,
                "latency_ms": 1000 * exchange.latency_s,
                "status": exchange.status,
                "received_bytes": exchange.received_bytes,
                "failure": exchange.failure or "",
                "detail": exchange.detail,
            }
        )
        return True

    def fail(self, exception: Exception) -> None:
        """End the load because of a fault in the generator itself."""
        self.bug = exception
        self.stopped.set()


def main(arguments: list[str]) -> int:
    """Generate the load; return the exit code."""
    profile_json, url, samples_path = arguments
    profile = LoadProfile.model_validate_json(profile_json)
    address = parse_address(url, profile.path)
    request = request_bytes(address, keep_alive=profile.connection == "keep-alive")
    _allow_open_files(profile.users + OTHER_OPEN_FILES)
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stopped.set)
    gevent.spawn(_watch_leash, stopped)
    endpoint = resolve(address.host, address.port)
    with StreamWriter(Path(samples_path), LOAD_COLUMNS) as writer:
        _warm_up(profile, Client(endpoint, request, keep_alive=False, timeout_s=profile.timeout_s), stopped)
        load = Load(profile, endpoint, request, writer, stopped)
        complete = _measure(load)
    elapsed_s = profile.duration_s if complete else load.elapsed_s
    given_up_after = load.failures if load.has_given_up else None
    _tell(
        Ended(
            elapsed_s=elapsed_s,
            cpu_s=load.cpu_s,
            samples=load.samples,
            complete=complete,
            stopped_after_failures=given_up_after,
        )
    )
    return 0


def _allow_open_files(wanted: int) -> None:
    """Raise this process' limit to ``wanted``, as far as it may; what is missing shows as failed requests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _watch_leash(stopped: Event) -> None:
    leash = sys.stdin.fileno()
    wait_read(leash)
    while os.read(leash, 1024):
        wait_read(leash)
    stopped.set()


def _warm_up(profile: LoadProfile, client: Client, stopped: Event) -> None:
    for done in range(1, profile.warm_up_requests + 1):
        if stopped.is_set():
            return
        client.exchange()
        _tell(WarmedUp(requests=done))


def _measure(load: Load) -> bool:
    environment = Environment(user_classes=[_user_class(load)])
    environment.events.user_error.add_listener(lambda exception, **_others: load.fail(exception))
    runner = environment.create_local_runner()
    # The first array makes pyarrow import pandas: 0.1 s in which no user would notice its answer.
    pa.array([0.0])
    # What is alive now stays: collecting it again and again would only pause the users.
    gc.collect()
    gc.freeze()
    load.began_s, load.began_cpu_s = time.perf_counter(), time.process_time()
    _tell(Began(started_at=load.epoch_offset_s + load.began_s))
    runner.start(load.profile.users, spawn_rate=load.profile.users)
    while not load.stopped.is_set() and (left_s := load.profile.duration_s - load.elapsed_s) > 0:
        load.stopped.wait(min(FLUSH_INTERVAL_S, left_s))
        load.writer.flush()
        _tell(Running(elapsed_s=load.elapsed_s, cpu_s=load.cpu_s, samples=load.samples))
    complete = not load.stopped.is_set()
    runner.quit()
    if load.bug is not None:
        raise load.bug
    return complete


def _user_class(load: Load) -> type[locust.User]:
    class ClosedLoopUser(locust.User):  # type: ignore[misc]
        """Sends a request, waits for the answer, and sends the next."""

        def on_start(self) -> None:
            self.exchanges = load.client()

        @locust.task  # type: ignore[untyped-decorator]
        def transact(self) -> None:
            exchange = self.exchanges.exchange()
            if not load.record(exchange):
                raise StopUser
            if pause_s := pause_after(exchange.failure, exchange.latency_s, load.profile.users):
                gevent.sleep(pause_s)

    return ClosedLoopUser


def _tell(message: Message) -> None:
    line = message.model_dump_json().encode() + b"\n"
    try:
        os.write(sys.stdout.fileno(), line)
    except BrokenPipeError:
        # Nobody listens any more; the leash ends the load.
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
