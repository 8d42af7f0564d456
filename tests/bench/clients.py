"""What sends requests: siege for closed loops, and a client of our own for fixed rates."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foodbench.process import find_program, run

__all__ = ["Answered", "at_a_rate", "at_rates", "siege", "with_status"]

USERS = 10
ANSWER_DEADLINE_S = 60.0


def siege(
    url: str, *, duration_s: int | None = None, requests: int | None = None, users: int = USERS
) -> dict[str, Any]:
    """Load ``url`` with siege, without delay, a new connection for each request.

    Args:
        url: What to fetch.
        duration_s: How long, or
        requests: how many in all.
        users: How many send at once.

    Returns:
        siege's own figures.
    """
    program = find_program("siege", remedy="apt install siege")
    until = ["-t", f"{duration_s}S"] if requests is None else ["-r", str(requests // users)]
    with tempfile.TemporaryDirectory() as directory:
        settings = Path(directory) / "siegerc"
        settings.write_text("verbose = false\nlogging = false\nconnection = close\nfailures = 1000000\n", "utf-8")
        arguments = [program, "-R", str(settings), "-q", "-b", "-j", "-c", str(users), *until, url]
        output = run(arguments, timeout_s=(duration_s or 3600) + 60, env={"HOME": directory, "LC_ALL": "C"}).output
    figures: dict[str, Any] = json.loads(output[output.index("{") : output.rindex("}") + 1])
    return figures


@dataclass(frozen=True)
class Answered:
    """One request."""

    sent_s: float
    """When it was due, on the clock of ``time.monotonic``."""
    status: int
    """0 where there was no answer."""
    latency_s: float


def at_a_rate(port: int, *, rate: float, duration_s: float) -> list[Answered]:
    """Send evenly spaced requests to /test: one phase of ``at_rates``."""
    return at_rates(port, [(rate, duration_s)])[0]


def at_rates(
    port: int, phases: Sequence[tuple[float, float]], *, on_phase_sent: Callable[[], object] = lambda: None
) -> list[list[Answered]]:
    """Send evenly spaced requests to /test whether or not the ones before are answered.

    Each goes on a new connection. Latency is counted from when a request was due, so that a client
    that falls behind does not hide it.

    Args:
        port: On the loopback address.
        phases: Requests per second and how long in seconds, one after the other without a pause;
            answers are waited for beyond the last.
        on_phase_sent: Called when all requests of a phase are sent.

    Returns:
        The answers of each phase.
    """
    return asyncio.run(_at_rates(port, phases, on_phase_sent))


async def _at_rates(
    port: int, phases: Sequence[tuple[float, float]], on_phase_sent: Callable[[], object]
) -> list[list[Answered]]:
    request = b"GET /test HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
    begins = time.monotonic()
    sent: list[list[asyncio.Task[Answered]]] = []
    for rate, duration_s in phases:
        tasks = []
        for number in range(int(rate * duration_s)):
            due = begins + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.append(asyncio.create_task(_exchange(port, request, due)))
        sent.append(tasks)
        on_phase_sent()
        begins += duration_s
    return [list(await asyncio.gather(*tasks)) for tasks in sent]


async def _exchange(port: int, request: bytes, due: float) -> Answered:
    status = 0
    try:
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answer = await reader.read()
            writer.close()
            status = int(answer[9:12])
    except (OSError, ValueError, TimeoutError):
        pass
    return Answered(due, status, time.monotonic() - due)


def with_status(answers: Sequence[Answered], status: int) -> list[Answered]:
    """Return those of one status."""
    return [answer for answer in answers if answer.status == status]
