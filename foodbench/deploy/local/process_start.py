"""One start of a replica's process, and how it ended."""

from __future__ import annotations

import asyncio
import signal
import socket
from dataclasses import dataclass, field

from foodbench.deploy.local.children import Child
from foodbench.deploy.local.limits import ReplicaLimit
from foodbench.deploy.local.probes import ProbeResult, Readiness

__all__ = ["ProcessStart", "ending", "free_port", "mib"]


@dataclass
class ProcessStart:
    """One start of the process."""

    child: Child
    limit: ReplicaLimit
    port: int
    begun_s: float
    readiness: Readiness = field(default_factory=Readiness)
    probe: asyncio.Task[ProbeResult] | None = None
    next_probe_s: float = 0.0
    next_memory_s: float = 0.0
    over_memory_bytes: int | None = None
    """Set when the watch has ended it."""


def free_port() -> int:
    """Return a loopback port that nothing listens on now. Should another take it first, the next start draws anew."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ending(code: int) -> str:
    """Say how a process ended, from its exit code (minus the signal that ended it)."""
    if code >= 0:
        return f"with code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"


def mib(size_bytes: int) -> str:
    """Return a size to show."""
    return f"{size_bytes / 2**20:.0f} MiB"
