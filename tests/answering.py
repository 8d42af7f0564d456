"""A small HTTP server that answers as it is told, and keeps a log of what it did.

Load generators are tried against it: it answers, delays, refuses and breaks off in a fixed cycle, so
what a generator counts can be compared with what was really done to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Answer", "Answering", "Served", "answering", "unused_port"]

CONNECTION_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing such a socket sends RST, not FIN."""


@dataclass(frozen=True)
class Answer:
    """What to do with one request.

    ``ending`` says how: ``whole`` sends the answer; ``closed`` and ``reset`` end the connection without
    one; ``cut`` ends it in the middle of the body. ``keeps`` leaves the connection open, whatever was asked.
    """

    status: int = 200
    body_bytes: int = 100
    delay_s: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    ending: Literal["whole", "closed", "reset", "cut"] = "whole"
    keeps: bool = False

    def head(self, *, keep_alive: bool) -> bytes:
        """Return the status line and the headers."""
        fields = [
            ("Content-Type", "text/plain"),
            ("Content-Length", str(self.body_bytes)),
            ("Connection", "keep-alive" if keep_alive else "close"),
            *self.headers,
        ]
        lines = [f"HTTP/1.1 {self.status} As told", *(f"{name}: {value}" for name, value in fields)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass(frozen=True)
class Served:
    """One request as the server saw it. Times are seconds since the epoch."""

    answer: Answer
    began_at: float
    ended_at: float
    request: bytes
    connection: int


@dataclass
class Answering:
    """A running server: its address and what it has done so far."""

    port: int
    served: list[Served] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the root of the server."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def answering(answers: Sequence[Answer]) -> Iterator[Answering]:
    """Serve on a free loopback port, giving ``answers`` in turn, until the block ends."""
    loop = asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = Answering(listener.getsockname()[1])
    ended = loop.create_future()
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(server, listener, answers, ended),))
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set_result, None)
        thread.join()
        loop.close()


def unused_port() -> int:
    """Return a loopback port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _serve(
    server: Answering, listener: socket.socket, answers: Sequence[Answer], ended: asyncio.Future[None]
) -> None:
    cycle, connections = itertools.cycle(answers), itertools.count()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        connection = next(connections)
        try:
            while await _answer_one(server, reader, writer, cycle, connection):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()

    listening = await asyncio.start_server(connected, sock=listener)
    await ended
    listening.close()
    for task in tuple(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _answer_one(
    server: Answering,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    cycle: Iterator[Answer],
    connection: int,
) -> bool:
    request = await reader.readuntil(b"\r\n\r\n")
    began_at = time.time()
    answer = next(cycle)
    if answer.delay_s:
        await asyncio.sleep(answer.delay_s)
    keep_alive = answer.keeps or b"connection: keep-alive" in request.lower()
    if answer.ending == "whole":
        writer.write(answer.head(keep_alive=keep_alive) + b"x" * answer.body_bytes)
        await writer.drain()
    elif answer.ending == "cut":
        writer.write(answer.head(keep_alive=False) + b"x" * (answer.body_bytes // 2))
        await writer.drain()
    elif answer.ending == "reset":
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CONNECTION_RESET)
    server.served.append(Served(answer, began_at, time.time(), request, connection))
    return keep_alive and answer.ending == "whole"
