"""One request and its answer, timed as siege times it: from before the connection to the last byte.

Locust's own ``FastHttpUser`` is not used for this: its client sends a GET again, up to eleven times, when
the connection ends without an answer, and reports the whole as one request. A load test must see each of
those. So the exchange is done here, on the same HTTP parser, without a retry.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Any

import gevent
from geventhttpclient.response import HTTPParseError, HTTPResponse

from foodbench.load.failures import CutShortError, failure_of_answer, failure_of_error
from foodbench.records.loads import FailureKind

__all__ = ["Client", "Exchange", "resolve"]

LARGEST_READ_BYTES = 65_536
LONGEST_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and how it ended."""

    started_s: float
    """On the clock of ``time.perf_counter``."""
    latency_s: float
    status: int
    received_bytes: int
    failure: FailureKind | None
    detail: str


@dataclass(frozen=True)
class Endpoint:
    """A resolved address."""

    family: socket.AddressFamily
    address: Any
    """As ``socket.getaddrinfo`` gives it for that family."""


def resolve(host: str, port: int) -> Endpoint:
    """Look the host up, once for the whole test.

    Raises:
        OSError: It is not known.
    """
    family, _kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return Endpoint(family, address)


class Client:
    """Sends the same request again and again, over a connection of its own.

    Args:
        endpoint: Where to.
        request: The whole request.
        keep_alive: Whether a connection is used again; otherwise each request has a new one.
        timeout_s: For one exchange, from the connection to the last byte.
    """

    def __init__(self, endpoint: Endpoint, request: bytes, *, keep_alive: bool, timeout_s: float) -> None:
        self._endpoint = endpoint
        self._request = request
        self._keep_alive = keep_alive
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def exchange(self) -> Exchange:
        """Send one request and read its answer to the end."""
        answer = _Answer()
        failure: FailureKind | None
        started_s = time.perf_counter()
        try:
            with gevent.Timeout(self._timeout_s):
                self._send_and_read(answer)
            latency_s = time.perf_counter() - started_s
            failure = failure_of_answer(answer.status, has_retry_after="retry-after" in answer)
            detail = "" if failure is None else f"HTTP {answer.status}"
        except gevent.Timeout:
            latency_s = time.perf_counter() - started_s
            failure, detail = "timeout", f"no whole answer within {self._timeout_s:g} s"
        except (OSError, HTTPParseError, CutShortError) as error:
            latency_s = time.perf_counter() - started_s
            failure, detail = failure_of_error(error), f"{error}"[:LONGEST_DETAIL] or type(error).__name__
        finally:
            if not (self._keep_alive and answer.is_whole and answer.should_keep_alive()):
                self.close()
        return Exchange(started_s, latency_s, answer.status, answer.received_bytes, failure, detail)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_and_read(self, answer: _Answer) -> None:
        if self._socket is None or _is_stale(self._socket):
            self.close()
            self._socket = socket.socket(self._endpoint.family, socket.SOCK_STREAM)
            self._socket.connect(self._endpoint.address)
        self._socket.sendall(self._request)
        while not answer.is_whole:
            data = self._socket.recv(LARGEST_READ_BYTES)
            answer.feed(data)
            if not data and not answer.is_whole:
                raise CutShortError("connection closed without an answer")


class _Answer(HTTPResponse):  # type: ignore[misc]
    """An answer that is read whole, but of which only the length is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.received_bytes = 0

    @property
    def status(self) -> int:
        """Return the status code, or 0 before there is one."""
        return int(self.get_code()) if self.headers_complete else 0

    @property
    def is_whole(self) -> bool:
        """Return whether the final answer (not an interim one, below 200) has come to its end."""
        return bool(self.message_complete) and self.status >= 200

    def feed(self, data: bytes) -> None:
        """Take in what was received; nothing means that the connection has ended.

        Raises:
            CutShortError: It ended within the answer.
            HTTPParseError: This is not HTTP.
        """
        try:
            super().feed(data)
        except HTTPParseError as error:
            if data:
                raise
            raise CutShortError(f"connection closed after {self.received_bytes} bytes of the body") from error

    def _on_body(self, data: bytearray) -> None:
        self.received_bytes += len(data)


def _is_stale(connection: socket.socket) -> bool:
    """Return whether the server has closed a kept connection, or said something unasked on it."""
    connection.settimeout(0)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        connection.settimeout(None)
        return False
    except OSError:
        pass
    return True
