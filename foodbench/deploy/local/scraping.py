"""Reads /metrics of local replicas: over loopback, all at once, within a time and a size."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from foodbench.deploy.service_metrics import counters_of
from foodbench.records.traces import ServiceCounters

__all__ = ["read_counters"]

TIMEOUT_S = 2.0
MOST_BYTES = 2**18
"""Ours is about 12 kB."""


def read_counters(ports: Mapping[str, int]) -> dict[str, ServiceCounters]:
    """Return what each service says of itself, by replica; those that do not answer in time are left out.

    Args:
        ports: The loopback port of each replica.
    """
    return asyncio.run(_read_all(ports))


async def _read_all(ports: Mapping[str, int]) -> dict[str, ServiceCounters]:
    found = await asyncio.gather(*(_read(port) for port in ports.values()))
    return {name: counters for name, counters in zip(ports, found, strict=True) if counters is not None}


async def _read(port: int) -> ServiceCounters | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await _get_metrics(port)
    except (OSError, TimeoutError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] != [b"200"]:
        return None
    return counters_of(body.decode("utf-8", errors="replace"))


async def _get_metrics(port: int) -> bytes:
    """Return the whole answer, or as much of it as is allowed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        parts: list[bytes] = []
        while sum(map(len, parts)) < MOST_BYTES and (part := await reader.read(MOST_BYTES)):
            parts.append(part)
        return b"".join(parts)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
