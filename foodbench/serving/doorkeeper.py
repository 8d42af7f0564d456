"""The first protocol of a connection made while the queue is full: refuses for less than a full protocol costs.

Under overload nearly every request is refused, and what that costs is taken from those that are computed. uvicorn's
protocol looks up loggers and both addresses for each connection before it reads a byte; spared that, a refusal took 0.32
to 0.33 instead of 0.41 ms of CPU beside a ResNet101V2 on the same core (AMD EPYC, ``python -m tests.bench overload``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httptools

__all__ = ["Doorkeeper"]

BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class Doorkeeper(asyncio.Protocol):
    """Refuses a request that came whole, has no body, and ends its connection. All else it hands over.

    Args:
        protocol: Makes the protocol that gets what is not refused, with every byte that came.
        connections: Of the server; this one is among them while it is here.
        refuse: Given method and path, returns the whole answer where the request is refused.
        most_s: How long the request is waited for before the connection is handed over.
    """

    cycle = None
    """Where uvicorn's protocols have their request: none is computed here."""

    def __init__(
        self,
        protocol: Callable[[], asyncio.Protocol],
        connections: set[Any],
        refuse: Callable[[str, str], bytes | None],
        most_s: float,
    ) -> None:
        self._protocol = protocol
        self._connections = connections
        self._refuse = refuse
        self._most_s = most_s
        self._url = b""
        self._has_body = False
        self._ends_connection = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, not for long."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(self._most_s, self._hand_over)

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the connection."""
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Refuse, or hand over."""
        refusal = self._refusal(data)
        if refusal is None:
            self._hand_over(data)
        else:
            self._leave()
            self._transport.write(refusal)
            self._transport.close()

    def shutdown(self) -> None:
        """The server ends: the full protocol knows what is to be done."""
        self._hand_over().shutdown()

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
        return self._refuse(self._parser.get_method().decode("ascii"), path.decode("latin-1"))

    def _hand_over(self, data: bytes = b"") -> Any:
        self._leave()
        protocol = self._protocol()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if data:
            protocol.data_received(data)
        return protocol

    def _leave(self) -> None:
        self._timer.cancel()
        self._connections.discard(self)
