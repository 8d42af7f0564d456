"""Whether memory grows with the requests served."""

from __future__ import annotations

from pathlib import Path

from .clients import siege
from .servers import our_service
from .tables import Goal, Table, mebibytes

__all__ = ["measure_steadiness"]

FIRST = 500


def measure_steadiness(bundle: Path, *, requests: int) -> Table:
    """Compare memory after 500 requests with memory after ``requests``."""
    with our_service(bundle) as server:
        siege(server.url + "/test", requests=FIRST)
        before = server.memory_bytes()
        siege(server.url + "/test", requests=requests - FIRST)
        after = server.memory_bytes()
    rows = (
        (f"after {FIRST} requests, MiB", mebibytes(before)),
        (f"after {requests} requests, MiB", mebibytes(after)),
        ("growth", Goal(most=5, unit=" %").verdict(100 * (after / before - 1))),
    )
    return Table(f"Memory: {bundle.name}", ("Figure", "Value"), rows)
