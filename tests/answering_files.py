"""A file server on loopback that misbehaves as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Misbehaviour", "serving"]


@dataclass
class Misbehaviour:
    """What the server does; every attribute may be changed while it runs."""

    content: bytes
    tag: str | None = '"one"'
    breaks_after: list[int] = field(default_factory=list)
    """Bytes of the body that each answer sends before it closes; when used up, answers are whole."""
    extra_length: int = 0
    """Added to the Content-Length that is stated."""
    ignores_range: bool = False
    ignores_if_range: bool = False
    statuses: list[int] = field(default_factory=list)
    """Sent instead, one an answer."""
    location: str | None = None
    states_length: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)
    """The headers of every request."""

    def start_for(self, wanted: str | None, if_range: str | None) -> int | None:
        """Return the first byte to send; None where there are none from there on."""
        if wanted is None or self.ignores_range or not (self.ignores_if_range or if_range == self.tag):
            return 0
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        return start if start < len(self.content) else None


class Server(ThreadingHTTPServer):
    """Knows how to misbehave."""

    daemon_threads = True

    def __init__(self, how: Misbehaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.how = how


class Handler(BaseHTTPRequestHandler):
    @property
    def how(self) -> Misbehaviour:
        assert isinstance(self.server, Server)
        return self.server.how

    def do_GET(self) -> None:
        self.how.asked.append(dict(self.headers.items()))
        if self.how.statuses:
            self._end(self.how.statuses.pop(0))
        elif self.how.location is not None:
            self.send_response(302)
            self.send_header("Location", self.how.location)
            self._end(None)
        else:
            self._send_file()

    def _end(self, status: int | None) -> None:
        if status is not None:
            self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_file(self) -> None:
        start = self.how.start_for(self.headers.get("Range"), self.headers.get("If-Range"))
        if start is None:
            self._end(416)
            return
        body = self.how.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.how.content) - 1}/{len(self.how.content)}")
        if self.how.states_length:
            self.send_header("Content-Length", str(len(body) + self.how.extra_length))
        if self.how.tag is not None:
            self.send_header("ETag", self.how.tag)
        self.end_headers()
        self.wfile.write(body[: self.how.breaks_after.pop(0)] if self.how.breaks_after else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(how: Misbehaviour) -> Iterator[str]:
    """Serve until the block ends; give the address of the file."""
    server = Server(how)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/sets/photos.zip?token=secret"
    finally:
        server.shutdown()
        server.server_close()
