"""What one client may take: bytes, connections, time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive

__all__ = ["BodyReader", "BodyTooLarge", "BodyTooSlow", "BuffersFull", "ClientGone", "Limits", "Upload"]


@dataclass(frozen=True)
class Limits:
    """Bounds that hold for every client."""

    most_body_bytes: int = 16 << 20
    """Photographs from phones have 2 to 12 MB."""
    most_buffered_bytes: int = 64 << 20
    """Of all requests together: what uploads can cost in memory."""
    most_header_bytes: int = 32 << 10
    most_connections: int = 1000
    """Just below the 1,024 open files that many systems allow a process."""
    read_timeout_s: float = 10.0
    """For a request's headers, and again for its whole body."""


class BodyTooLarge(Exception):
    """The body is larger than one may be."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class BuffersFull(Exception):
    """All requests' bodies together would take more memory than they may; the request is shed."""


class ClientGone(Exception):
    """The client closed its connection before it was answered."""


@dataclass(frozen=True)
class Upload:
    """A request's body that has not been received yet."""

    receive: Receive
    declared_bytes: int
    """Its Content-Length; 0 where it has none."""
    awaits_go_ahead: bool
    """Whether the client sends it only when asked to (Expect: 100-continue)."""

    @classmethod
    def of(cls, request: Request) -> Upload:
        """Return the body of ``request``."""
        declared = request.headers.get("content-length", "")
        return cls(
            request.receive,
            int(declared) if declared.isascii() and declared.isdigit() and len(declared) <= 19 else 0,
            request.headers.get("expect", "").lower() == "100-continue",
        )


class BodyReader:
    """Reads request bodies, within the limits.

    Args:
        limits: The bounds.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffered_bytes = 0

    async def read(self, upload: Upload) -> bytes:
        """Return the whole body. The caller calls ``release`` with its size when done with it.

        A body that is refused is still received, without being kept, so that its client comes to
        read the refusal instead of a reset connection.

        Raises:
            BodyTooLarge: It has, or declares, more bytes than it may.
            BodyTooSlow: It did not arrive within the read timeout.
            BuffersFull: There is no room for it beside the other requests' bodies.
            ClientGone: The connection closed first.
        """
        if (refusal := self._refusal(upload.declared_bytes)) is not None:
            await self.discard(upload)
            raise refusal
        try:
            async with asyncio.timeout(self._limits.read_timeout_s):
                return await self._read(upload)
        except TimeoutError:
            raise BodyTooSlow from None

    async def discard(self, upload: Upload, received_bytes: int = 0) -> None:
        """Receive the body, or what is left of it, without keeping it, as far as that is worth its while.

        Raises:
            ClientGone: The connection closed first.
        """
        if upload.awaits_go_ahead and not received_bytes:
            return
        try:
            async with asyncio.timeout(self._limits.read_timeout_s):
                more = True
                while more and received_bytes <= 4 * self._limits.most_body_bytes:
                    chunk, more = await _chunk(upload.receive)
                    received_bytes += len(chunk)
        except TimeoutError:
            return

    def release(self, size_bytes: int) -> None:
        """Give back the room of a body that ``read`` returned."""
        self._buffered_bytes -= size_bytes

    async def _read(self, upload: Upload) -> bytes:
        chunks: list[bytes] = []
        size, more, kept = 0, True, False
        try:
            while more:
                chunk, more = await _chunk(upload.receive)
                chunks.append(chunk)
                size += len(chunk)
                self._buffered_bytes += len(chunk)
                if (refusal := self._refusal(size)) is not None:
                    chunks.clear()
                    if more:
                        await self.discard(upload, size)
                    raise refusal
            kept = True
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        finally:
            if not kept:
                self.release(size)

    def _refusal(self, size_bytes: int) -> Exception | None:
        if size_bytes > self._limits.most_body_bytes:
            return BodyTooLarge()
        if self._buffered_bytes > self._limits.most_buffered_bytes:
            return BuffersFull()
        return None


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)
