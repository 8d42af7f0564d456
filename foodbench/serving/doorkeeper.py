"""The first protocol of a connection made while the queue is full: refuses for less than a full protocol costs.

Under overload nearly every request is refused, and what that costs is taken from those that are computed. uvicorn's
protocol looks up loggers and both addresses for each connection before it reads a byte: a third of what a refusal
took on a busy core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httptools

__all__ = ["Door", "Doorkeeper"]

BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class Door:
    """What the doorkeepers of a server share. Connections that say nothing are handed over now and then, all at once.

    Args:
        refuse: Given method and path, returns the whole answer where the request is refused.
        most_s: How long a request is waited for at most before its connection is handed over. One timer does for all:
            one of its own for each connection is a part of what its refusal costs.
    """

    def __init__(self, refuse: Callable[[str, str], bytes | None], most_s: float) -> None:
        self.refuse = refuse
        self._most_s = most_s
        self._waiting: set[Doorkeeper] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, keeper: Doorkeeper) -> None:
        """Wait for a request."""
        self._waiting.add(keeper)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._most_s, self._hand_over_all)

    def leave(self, keeper: Doorkeeper) -> None:
        """Wait no longer."""
        self._waiting.discard(keeper)

    def _hand_over_all(self) -> None:
        self._timer = None
        for keeper in tuple(self._waiting):
            keeper.hand_over()


class Doorkeeper(asyncio.Protocol):
    """Refuses a request that came whole, has no body, and ends its connection. All else it hands over.

    Args:
        door: Of the server.
        protocol: Makes the protocol that gets what is not refused, with every byte that came.
        connections: Of the server; this one is among them while it is here.
    """

    cycle = None
    """Where uvicorn's protocols have their request: none is computed here."""
    _transport: asyncio.Transport

    def __init__(self, door: Door, protocol: Callable[[], asyncio.Protocol], connections: set[Any]) -> None:
        self._door = door
        self._protocol = protocol
        self._connections = connections
        self._url = b""
        self._has_body = False
        self._ends_connection = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, not for long."""
        self._transport = transport  # type: ignore[assignment]  # of a stream, it is one that writes
        self._connections.add(self)
        self._door.enter(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the connection."""
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Refuse, or hand over."""
        refusal = self._refusal(data)
        if refusal is None:
            self.hand_over(data)
        else:
            self._leave()
            self._transport.write(refusal)
            self._transport.close()

    def shutdown(self) -> None:
        """The server ends: the full protocol knows what is to be done."""
        self.hand_over().shutdown()

    def hand_over(self, data: bytes = b"") -> Any:
        """Give the connection to a full protocol, and return it.

        Args:
            data: What came already.
        """
        self._leave()
        protocol = self._protocol()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if data:
            protocol.data_received(data)
        return protocol

    def on_url(self, url: bytes) -> None:
        """Part of the request's target, for the parser."""
        self._url += url

    def on_header(self, name: bytes, _value: bytes) -> None:
        """One header, for the parser."""
        self._has_body |= name.lower() in BODY_HEADERS

    def on_headers_complete(self) -> None:
        """The end of the head, for the parser."""
        self._ends_connection = not self._parser.should_keep_alive()

    def _refusal(self, data: bytes) -> bytes | None:
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            return None
        if self._has_body or not self._ends_connection:
            return None
        path, _, _ = self._url.partition(b"?")
        return self._door.refuse(self._parser.get_method().decode("ascii"), path.decode("latin-1"))

    def _leave(self) -> None:
        self._door.leave(self)
        self._connections.discard(self)
