"""Replicas killed at random under load: what the users see, and how long until all are back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from fleets import Fleet, running_fleet
from going_load import going_load

from .tables import Goal, Table

__all__ = ["measure_chaos"]

REPLICAS = 5
USERS = 10
CPU_CORES = 0.25
"""Of each replica: what the load and the load balancer need is left of two cores."""

MEAN_PAUSE_S = 8.0
"""Between two kills. A replica's second crash costs a back-off of 10 s, its third 20 s, as a pod's would."""


@dataclass
class Kill:
    """One process killed."""

    pid: int
    at_s: float
    recovered_s: float | None = None
    """From then until as many replicas as wanted were ready; others may have been killed meanwhile."""


def measure_chaos(bundle: Path, directory: Path, *, duration_s: float, seed: int) -> Table:
    """Kill ready replicas at random moments, under a load that never pauses, then look for what is left.

    Args:
        bundle: What is served.
        directory: For the deployment and the samples; new.
        duration_s: How long replicas are killed.
        seed: Of the moments and of the choice.
    """
    return asyncio.run(_measure(bundle, directory, duration_s, seed))


async def _measure(bundle: Path, directory: Path, duration_s: float, seed: int) -> Table:
    async with running_fleet(directory, bundle, replicas=REPLICAS, cpu_cores=CPU_CORES) as fleet:
        with going_load(fleet.url, directory, users=USERS) as load:
            kills, full_s = await _kill_at_random(fleet, duration_s, random.Random(seed))
        port = int(fleet.url.rpartition(":")[2])
    failures, requests = load.failures(), load.requests
    failed = sum(failures.values())
    recoveries_s = [kill.recovered_s for kill in kills if kill.recovered_s is not None]
    with socket.socket() as probe:
        is_free = probe.connect_ex(("127.0.0.1", port)) != 0
    rows = (
        (f"kills in {duration_s:g} s", str(len(kills))),
        ("requests", str(requests)),
        ("availability", f"{100 * (1 - failed / requests):.3f} %"),
        ("failed", str(failed)),
        *((f"of them {kind}", str(count)) for kind, count in failures.most_common()),
        (f"time with all {REPLICAS} replicas ready", f"{100 * full_s / duration_s:.0f} %"),
        ("all ready again, median s after a kill", f"{statistics.median(recoveries_s):.1f}"),
        ("all ready again, shortest and longest s", f"{min(recoveries_s):.1f} and {max(recoveries_s):.1f}"),
        ("processes and control groups left", Goal(most=0).verdict(len(fleet.left()))),
        ("the Service's port free again", "yes" if is_free else "NO"),
    )
    return Table(f"Chaos: {REPLICAS} replicas, seed {seed}", ("Figure", "Value"), rows)


async def _kill_at_random(fleet: Fleet, duration_s: float, choice: random.Random) -> tuple[list[Kill], float]:
    """Return the kills, and how long all replicas were ready meanwhile; wait for the last to be back."""
    kills: list[Kill] = []
    full_s = 0.0
    began_s = before_s = time.monotonic()
    due_s = began_s + choice.expovariate(1 / MEAN_PAUSE_S)
    while (now_s := time.monotonic()) < began_s + duration_s or any(kill.recovered_s is None for kill in kills):
        # Right after a kill the state still calls the process ready.
        ready = _ready(fleet) - {kill.pid for kill in kills}
        if len(ready) == REPLICAS:
            full_s += min(now_s, began_s + duration_s) - min(before_s, began_s + duration_s)
            for kill in kills:
                if kill.recovered_s is None:
                    kill.recovered_s = now_s - kill.at_s
        if ready and due_s <= now_s < began_s + duration_s:
            kills.append(Kill(choice.choice(sorted(ready)), time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.kill(kills[-1].pid, signal.SIGKILL)
            due_s = now_s + choice.expovariate(1 / MEAN_PAUSE_S)
        before_s = now_s
        await asyncio.sleep(0.02)
    return kills, full_s


def _ready(fleet: Fleet) -> set[int]:
    return {replica.pid for replica in fleet.state().replicas if replica.phase == "ready"}
