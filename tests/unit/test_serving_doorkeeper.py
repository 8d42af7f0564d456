"""What the doorkeeper refuses by itself, and what it hands over untouched."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from foodbench.serving.doorkeeper import Doorkeeper

WHOLE = b"GET /test?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own."""

    @functools.wraps(test)
    def run(**parameters: Any) -> None:
        asyncio.run(test(**parameters))

    return run


async def past_due_timers() -> None:
    """Let the loop call what is due now."""
    due = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0, due.set_result, None)
    await due


class Transport:
    """Keeps what a protocol does to it."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


class Full(asyncio.Protocol):
    """The full protocol: keeps what it is handed."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = b""
        self.is_shut_down = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def shutdown(self) -> None:
        self.is_shut_down = True


class Door:
    """A doorkeeper at a connection."""

    def __init__(self, *, refusal: bytes | None = REFUSAL, most_s: float = 60) -> None:
        self.asked: list[tuple[str, str]] = []
        self.connections: set[Any] = set()
        self.transport = Transport()

        def refuse(method: str, path: str) -> bytes | None:
            self.asked.append((method, path))
            return refusal

        self.keeper = Doorkeeper(Full, self.connections, refuse, most_s)
        self.keeper.connection_made(self.transport)  # type: ignore[arg-type]
        assert self.connections == {self.keeper}


@in_a_loop
async def test_a_whole_request_is_refused_and_its_connection_ended() -> None:
    door = Door()
    door.keeper.data_received(WHOLE)
    assert door.asked == [("GET", "/test")]
    assert (door.transport.written, door.transport.closed) == (REFUSAL, True)
    assert door.transport.protocol is None
    assert door.connections == set()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(WHOLE[:-1], id="not whole"),
        pytest.param(WHOLE.replace(b"close", b"keep-alive"), id="keeps its connection"),
        pytest.param(WHOLE.replace(b"Host: a", b"Content-Length: 3") + b"abc", id="body"),
        pytest.param(WHOLE.replace(b"Host: a", b"Transfer-Encoding: chunked"), id="chunks"),
        pytest.param(b"\x16\x03\x01\x02\x00", id="no HTTP"),
    ],
)
@in_a_loop
async def test_what_it_cannot_refuse_is_handed_over_as_it_came(data: bytes) -> None:
    door = Door()
    door.keeper.data_received(data)
    assert door.asked == []
    assert (door.transport.written, door.transport.closed) == (b"", False)
    assert isinstance(door.transport.protocol, Full)
    assert door.transport.protocol.transport is door.transport
    assert door.transport.protocol.received == data
    assert door.connections == set()


@in_a_loop
async def test_what_is_not_to_be_refused_is_handed_over() -> None:
    door = Door(refusal=None)
    door.keeper.data_received(WHOLE)
    assert door.transport.protocol.received == WHOLE


@in_a_loop
async def test_a_connection_that_says_nothing_is_handed_over_after_a_while() -> None:
    door = Door(most_s=0)
    await past_due_timers()
    assert door.transport.protocol.received == b""
    assert door.connections == set()


@in_a_loop
async def test_the_full_protocol_is_told_of_the_server_s_end() -> None:
    door = Door()
    door.keeper.shutdown()
    assert door.transport.protocol.is_shut_down


@in_a_loop
async def test_a_connection_lost_is_forgotten() -> None:
    door = Door(most_s=0)
    door.keeper.connection_lost(None)
    await past_due_timers()
    assert door.transport.protocol is None
    assert door.connections == set()
