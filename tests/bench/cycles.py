"""Replicas that come and go under load: how many requests fail."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Literal

from fleets import running_fleet
from going_load import going_load

from foodbench.records.deployments import LoadBalancer

from .tables import Goal, Table

__all__ = ["measure_cycles"]

REPLICAS = 2
USERS = 10
CPU_CORES = 0.4
"""Of each of two replicas, or three: what the load and the load balancer need is left of two cores."""


def measure_cycles(
    bundle: Path, directory: Path, *, cycles: int, connection: Literal["close", "keep-alive"], balancer: LoadBalancer
) -> Table:
    """Start a replica and have the oldest of two leave, again and again, under a load that never pauses.

    Args:
        bundle: What is served.
        directory: For the deployment and the samples; new.
        cycles: How often.
        connection: Of the load's users.
        balancer: What is in front of the replicas.
    """
    return asyncio.run(_measure(bundle, directory, cycles, connection, balancer))


async def _measure(
    bundle: Path, directory: Path, cycles: int, connection: Literal["close", "keep-alive"], balancer: LoadBalancer
) -> Table:
    async with running_fleet(directory, bundle, replicas=REPLICAS, cpu_cores=CPU_CORES, balancer=balancer) as fleet:
        began = time.monotonic()
        with going_load(fleet.url, directory, users=USERS, connection=connection) as load:
            for _ in range(cycles):
                await fleet.replace_oldest()
        duration_s = time.monotonic() - began
    failures = load.failures()
    rows = (
        ("replicas started, and stopped", str(cycles)),
        ("duration, s", f"{duration_s:.0f}"),
        ("requests", str(load.requests)),
        ("failed", Goal(most=0).verdict(sum(failures.values()))),
        *((f"of them {kind}", str(count)) for kind, count in failures.most_common()),
        ("processes and control groups left", Goal(most=0).verdict(len(fleet.left()))),
    )
    return Table(f"Cycles: {balancer}, connections {connection}", ("Figure", "Value"), rows)
