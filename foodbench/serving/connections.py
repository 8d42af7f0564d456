"""Connections that cost little: bounds that uvicorn does not set on what comes before a request's body.

uvicorn reads a request's head for as long as it takes and, with httptools, as large as it comes. It
also passes over the rest of a body that was answered early, however long it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from foodbench.serving.limits import Limits

__all__ = ["Refusing", "limited_protocol"]

SETTLE_S = 0.5
"""How long a new connection's request is waited for where the connection is to be closed."""

CLOSE = b"content-length: 0\r\nconnection: close\r\n\r\n"
TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n" + CLOSE
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + CLOSE
HEAD_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + CLOSE


PREDICTION_PATHS = frozenset({"/test", "/predict"})


@dataclass(frozen=True)
class Refusing:
    """What is turned away before anything else is done for it."""

    is_full: Callable[[], bool]
    """Whether a connection made now brings, in all likelihood, a request that is refused."""
    refuse: Callable[[str, str], bytes | None]
    """Given method and path of a request without a body whose connection ends with it, returns the whole answer where
    the request is refused. It is counted then."""


def limited_protocol(
    limits: Limits, on_shed: Callable[[], None], on_used: Callable[[], None], refusing: Refusing
) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, with httptools where it is installed, within ``limits``.

    Args:
        limits: The bounds.
        on_shed: Called for each connection beyond the most that are held.
        on_used: Called for each connection when it carries its first request for a prediction.
        refusing: What is refused at once. Only httptools tells early enough: without it, nothing.
    """
    bases = _bases()
    limited = type("LimitedProtocol", bases, {})
    settings = {"limits": limits, "on_shed": on_shed, "on_used": on_used}
    if _HeadsOfHttpTools not in bases:
        return cast("type[asyncio.Protocol]", partial(limited, **settings))
    from foodbench.serving.doorkeeper import Doorkeeper

    def refuse(method: str, path: str) -> bytes | None:
        refusal = refusing.refuse(method, path)
        if refusal is not None:
            on_used()
        return refusal

    def build(*, server_state: Any, **rest: Any) -> asyncio.Protocol:
        def full() -> asyncio.Protocol:
            protocol: asyncio.Protocol = limited(server_state=server_state, **settings, **rest)
            return protocol

        return Doorkeeper(full, server_state.connections, refuse, SETTLE_S) if refusing.is_full() else full()

    return cast("type[asyncio.Protocol]", build)


def _bases() -> tuple[type, ...]:
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        return (_HeadsOfH11, _Limited, H11Protocol)
    return (_HeadsOfHttpTools, _Limited, HttpToolsProtocol)


class _Limited:
    """Mixed into one of uvicorn's protocols, whose attributes the first four are.

    A head is what comes before a request is known. It begins with a connection, or with the first byte
    after the request before.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[Any]
    cycle: Any
    """The request whose head was complete last; None at first."""
    scope: Any
    """Of that request."""

    def __init__(
        self,
        *,
        limits: Limits,
        on_shed: Callable[[], None],
        on_used: Callable[[], None],
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self._limits = limits
        self._on_shed = on_shed
        self._on_used = on_used
        self._is_used = False
        self._is_surplus = False
        self._is_ending = False
        self._waited_for_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self._is_surplus = len(self.connections) > self._limits.most_connections
        if self._is_surplus:
            self._on_shed()
            self.loop.call_later(SETTLE_S, self._end_with, TOO_MANY)
        else:
            self._head_begins()

    def connection_lost(self, error: Exception | None) -> None:
        self._head_is_complete()
        super().connection_lost(error)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        if self._is_ending or self.transport.is_closing():
            return
        if self._is_surplus:
            # Only now: closed with something unread, the client would see a reset instead of the answer.
            self._end_with(TOO_MANY)
            return
        timer_before = self._timer
        super().data_received(data)  # type: ignore[misc]
        passing_over = self._rest_of_an_answered_body()
        if passing_over:
            self._head_begins()
        if self._timer is not None and self._timer is timer_before:
            self._waited_for_bytes += len(data)
            if passing_over and self._waited_for_bytes > self._limits.most_body_bytes:
                self._end_with(b"")
            elif not passing_over and self._waited_for_bytes > self._limits.most_header_bytes:
                self._end_with(HEAD_TOO_LARGE)

    def shutdown(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.loop.call_later(SETTLE_S, super().shutdown)  # type: ignore[misc]
        else:
            super().shutdown()  # type: ignore[misc]

    def _rest_of_an_answered_body(self) -> bool:
        """Whether what comes now is the end of a body whose request was answered before it had come whole."""
        return False

    def _head_begins(self) -> None:
        if self._timer is None:
            self._waited_for_bytes = 0
            self._timer = self.loop.call_later(self._limits.read_timeout_s, self._end_with, HEAD_TOO_SLOW)

    def _head_is_complete(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _request_is_known(self) -> None:
        if not self._is_used and self.scope.get("path") in PREDICTION_PATHS:
            self._is_used = True
            self._on_used()

    def _end_with(self, response: bytes) -> None:
        """End the connection, once the requests that came whole are answered."""
        if self.transport.is_closing():
            return
        self._is_ending = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.transport.write(response)
            self.transport.close()


class _HeadsOfHttpTools:
    """Told by the parser where heads begin and end. A next one may begin while a request is computed."""

    _head_begins: Callable[[], None]
    _head_is_complete: Callable[[], None]
    _request_is_known: Callable[[], None]
    cycle: Any
    _message_is_whole = True

    def on_message_begin(self) -> None:
        self._message_is_whole = True
        self._head_begins()
        super().on_message_begin()  # type: ignore[misc]

    def on_headers_complete(self) -> None:
        self._message_is_whole = False
        self._head_is_complete()
        super().on_headers_complete()  # type: ignore[misc]
        self._request_is_known()

    def on_message_complete(self) -> None:
        self._message_is_whole = True
        super().on_message_complete()  # type: ignore[misc]

    def _rest_of_an_answered_body(self) -> bool:
        return not self._message_is_whole and self.cycle is not None and self.cycle.response_complete


class _HeadsOfH11:
    """h11 reads no further than one request at a time: a next head begins after the answer."""

    _head_begins: Callable[[], None]
    _head_is_complete: Callable[[], None]
    _request_is_known: Callable[[], None]
    conn: Any
    cycle: Any

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if before is None or before.response_complete:
            self._head_begins()
        super().data_received(data)  # type: ignore[misc]
        if self.cycle is not before:
            self._head_is_complete()
            self._request_is_known()

    def _rest_of_an_answered_body(self) -> bool:
        import h11

        return self.cycle is not None and self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY
