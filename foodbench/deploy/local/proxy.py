"""A plain TCP proxy for machines without HAProxy. It works, and costs more CPU per byte."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import Literal

__all__ = ["BuiltInProxy"]

CHUNK_BYTES = 2**16
CONNECT_TIMEOUT_S = 5.0


class BuiltInProxy:
    """Spreads connections at random over the ready replicas, inside this process.

    Args:
        listening: The Service's socket.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._ports: dict[int, int] = {}
        self._connections: dict[int, int] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> Literal["built-in"]:
        """What the records call it."""
        return "built-in"

    @property
    def pid(self) -> None:
        """It has no process of its own."""
        return

    async def start(self) -> None:
        """Begin to accept connections."""
        self._server = await asyncio.start_server(self._accept, sock=self._listening)

    async def add(self, slot: int, port: int) -> None:
        """Send new connections to a replica too."""
        self._ports[slot] = port

    async def drain(self, slot: int) -> None:
        """Send no new connections to a replica; those it has stay."""
        self._ports.pop(slot, None)

    async def remove(self, slot: int) -> None:
        """Forget a replica."""
        self._ports.pop(slot, None)

    async def connections(self, slot: int) -> int:
        """Return how many connections a replica has."""
        return self._connections.get(slot, 0)

    async def restore(self) -> bool:
        """Do nothing: it lives as long as this process."""
        return False

    async def stop(self) -> None:
        """Stop accepting, and cut what is left."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            if self._ports:
                slot = random.choice(tuple(self._ports))
                await self._join(slot, self._ports[slot], reader, writer)
        except asyncio.CancelledError:
            # asyncio's server calls this for each connection, and would report the cancellation as an error.
            pass
        finally:
            writer.close()

    async def _join(self, slot: int, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[slot] = self._connections.get(slot, 0) + 1
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, TimeoutError):
            self._connections[slot] -= 1
            return
        try:
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        finally:
            self._connections[slot] -= 1
            inner_writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass on bytes until the source ends, then tell the sink that no more will come."""
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError):
        if sink.can_write_eof():
            sink.write_eof()
