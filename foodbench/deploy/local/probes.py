"""Readiness as a kubelet sees it: thresholds over repeated GETs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace

from foodbench.records.deployments import ProbeFailure

__all__ = ["ProbeResult", "ProbeSettings", "Readiness", "http_get"]

ATTEMPT_LIMIT_BYTES = 4096


@dataclass(frozen=True)
class ProbeSettings:
    """A readiness probe; a variant's ``Serving`` says what it is.

    ``starting_period_s`` is used until the first success, so that how soon a service is ready is not
    rounded up to a whole period.
    """

    path: str = "/readyz"
    period_s: float = 2.0
    timeout_s: float = 5.0
    failure_threshold: int = 3
    starting_period_s: float = 0.2


@dataclass(frozen=True)
class ProbeResult:
    """What one probe saw; ``detail`` says why it failed."""

    ok: bool
    detail: str = ""
    failure: ProbeFailure | None = None


@dataclass(frozen=True)
class Readiness:
    """What the probes of one process start have shown so far."""

    ready: bool = False
    was_ready: bool = False
    failures: int = 0
    """In a row."""

    def after(self, result: ProbeResult, settings: ProbeSettings) -> Readiness:
        """Return what is known after one more probe: one success makes ready, some failures in a row unready."""
        if result.ok:
            return Readiness(ready=True, was_ready=True)
        failures = self.failures + 1
        return replace(self, failures=failures, ready=self.ready and failures < settings.failure_threshold)

    def next_probe_in_s(self, settings: ProbeSettings) -> float:
        """Return how long to wait before the next probe."""
        return settings.period_s if self.was_ready else settings.starting_period_s


async def http_get(port: int, settings: ProbeSettings) -> ProbeResult:
    """Send one GET to a loopback port; a status of 200 to 399 within the timeout is a success."""
    try:
        async with asyncio.timeout(settings.timeout_s):
            status = await _status(port, settings.path)
    except TimeoutError:
        return ProbeResult(ok=False, detail=f"no answer within {settings.timeout_s:g} s", failure="timeout")
    except ConnectionRefusedError as error:
        return ProbeResult(ok=False, detail=str(error), failure="connection-refused")
    except (OSError, ValueError) as error:
        return ProbeResult(ok=False, detail=str(error), failure="other")
    if 200 <= status < 400:
        return ProbeResult(ok=True)
    return ProbeResult(ok=False, detail=f"HTTP status {status}", failure="http-status")


async def _status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=ATTEMPT_LIMIT_BYTES)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        line = await reader.readline()
        fields = line.split(b" ")
        if len(fields) < 2:
            raise ValueError("the connection was closed without an answer")
        return int(fields[1])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
