"""Connections that cost little: bounds that uvicorn does not set on what comes before a request's body.

uvicorn reads a request's head for as long as it takes and, with httptools, as large as it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from foodbench.serving.limits import Limits

__all__ = ["limited_protocol"]

SETTLE_S = 0.5
"""How long a new connection's request is waited for where the connection is to be closed."""

CLOSE = b"content-length: 0\r\nconnection: close\r\n\r\n"
TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n" + CLOSE
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + CLOSE
HEAD_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + CLOSE


def limited_protocol(limits: Limits, on_shed: Callable[[], None]) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, with httptools where it is installed, within ``limits``.

    Args:
        limits: The bounds.
        on_shed: Called for each connection beyond the most that are held.
    """
    limited = type("LimitedProtocol", (_Limited, _protocol()), {})
    return cast("type[asyncio.Protocol]", partial(limited, limits=limits, on_shed=on_shed))


def _protocol() -> type[asyncio.Protocol]:
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        return H11Protocol
    return HttpToolsProtocol


class _Limited:
    """Mixed into one of uvicorn's protocols, whose attributes these are."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[Any]
    cycle: Any
    """The request under way or, until the next one's head is complete, the one before; None at first."""

    def __init__(self, *, limits: Limits, on_shed: Callable[[], None], **rest: Any) -> None:
        super().__init__(**rest)
        self._limits = limits
        self._on_shed = on_shed
        self._surplus = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self._surplus = len(self.connections) > self._limits.most_connections
        if self._surplus:
            self._on_shed()
            self.loop.call_later(SETTLE_S, self._end_with, TOO_MANY)
        else:
            self._expect_head()

    def connection_lost(self, error: Exception | None) -> None:
        self._head_is_complete()
        super().connection_lost(error)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._surplus:
            # Only now: closed with something unread, the client would see a reset instead of the answer.
            self._end_with(TOO_MANY)
            return
        before = self.cycle
        between_requests = before is None or before.response_complete
        if between_requests:
            self._expect_head()
            self._head_bytes += len(data)
        super().data_received(data)  # type: ignore[misc]
        if self.cycle is not before:
            self._head_is_complete()
        elif between_requests and self._head_bytes > self._most_bytes():
            self._end_with(HEAD_TOO_LARGE)

    def shutdown(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.loop.call_later(SETTLE_S, super().shutdown)  # type: ignore[misc]
        else:
            super().shutdown()  # type: ignore[misc]

    def _most_bytes(self) -> int:
        """Return how much may come before the next head is complete.

        The rest of a body that was answered before it had come whole is passed over first.
        """
        rest_of_body = self.cycle is not None and self.cycle.more_body
        return self._limits.most_body_bytes if rest_of_body else self._limits.most_header_bytes

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.read_timeout_s, self._end_with, HEAD_TOO_SLOW)

    def _head_is_complete(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_with(self, response: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(response)
            self.transport.close()
