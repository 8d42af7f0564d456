"""How long a replica that was told to end serves on: until whoever sends it requests has noticed.

A fixed time is a bet on how soon a load balancer notices. One that checks every few seconds, or is short
of CPU itself, sends requests after it; those meet a closed socket, and become a 502 or 503 of the load
balancer's. So after the time it is given, a replica serves on while requests still come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["PROBE_PATHS", "Traffic", "until_unused"]

PROBE_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked for by those that watch a replica, for as long as it is there."""

TICK_S = 0.1
QUIET_TICKS = 5
"""Each is one turn of the event loop at least, in which what waits in the listening socket's queue is accepted: on a
machine so busy that half a second passes unnoticed, that a time has passed says nothing."""


@dataclass(frozen=True)
class Traffic:
    """What others than probes do here."""

    requests: int
    """Begun since the start."""
    connections: int
    """Open, whose last request was none of a probe's."""


async def until_unused(traffic: Callable[[], Traffic], *, least_s: float, linger_s: float) -> None:
    """Wait ``least_s``, and then until no request comes and no connection is left.

    Connections that clients keep are ended by the answer to their next request, so they go by themselves
    where they are used.

    Args:
        traffic: Returns what there is now.
        least_s: Wait this long at least.
        linger_s: And this much longer at most.
    """
    clock = asyncio.get_running_loop().time
    began_s = clock()
    before, quiet_ticks = traffic().requests, 0
    while (elapsed_s := clock() - began_s) < least_s + linger_s:
        if elapsed_s >= least_s and quiet_ticks >= QUIET_TICKS:
            return
        await asyncio.sleep(TICK_S)
        now = traffic()
        quiet_ticks = quiet_ticks + 1 if now.requests == before and now.connections == 0 else 0
        before = now.requests
