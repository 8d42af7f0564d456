"""The process behind a local deployment: ``python -m foodbench.deploy.local.supervisor DIRECTORY``.

It outlives the command that started it, and ends on SIGTERM, when it has ended all that it started.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from foodbench.deploy.local.balancer import Balancer, listen
from foodbench.deploy.local.haproxy import HAProxy, find_haproxy
from foodbench.deploy.local.limits import Limits, choose_limiter
from foodbench.deploy.local.probes import ProbeSettings
from foodbench.deploy.local.processes import marks
from foodbench.deploy.local.proxy import BuiltInProxy
from foodbench.deploy.local.replica import ReplicaPlan
from foodbench.deploy.local.supervising import Supervisor
from foodbench.errors import MachineError, RunFailed
from foodbench.records.deployments import Deployment
from foodbench.store import Store, read_record

__all__ = ["main", "service_command"]

SERVICE = (sys.executable, "-P", "-m", "foodbench.serving")
"""-P: never what happens to lie in the working folder."""
DRAIN_S = 1.0
"""For connections that end by themselves. Those that clients keep are ended by the service, which knows their requests."""
GRACE_S = 45.0
"""As in ``manifests/``."""
SERVICE_DRAIN_S = 0.5
"""The load balancer has been told before the service is, so the service need not wait for it to notice."""


def main(arguments: list[str] | None = None) -> int:
    """Run the deployment of a folder until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m foodbench.deploy.local.supervisor")
    parser.add_argument("directory", type=Path, help="the deployment's folder, with deployment.json in it")
    parser.add_argument("--cpu-limiter", choices=("cgroup-v2", "cgroup-v1", "duty-cycle"))
    parser.add_argument("--load-balancer", choices=("haproxy", "built-in"))
    parser.add_argument("service", nargs="*", default=SERVICE, help="after --: what to run instead of the service")
    options = parser.parse_args(arguments)
    directory: Path = options.directory.resolve()
    # The load balancer's socket is addressed from here: its full path may be longer than such an address can be.
    os.chdir(directory)
    return asyncio.run(_run(directory, options.service, options.cpu_limiter, options.load_balancer))


async def _run(directory: Path, service: Sequence[str], cpu_limiter: str | None, load_balancer: str | None) -> int:
    deployment = read_record(directory / "deployment.json", Deployment)
    variant = deployment.variant
    now = _counting_clock()
    limiter, passed_over = choose_limiter(cpu_limiter)  # type: ignore[arg-type]  # argparse has checked it
    listening = listen()
    # A replica that is draining keeps its slot while its successor starts.
    balancer = _balancer(load_balancer, directory, listening, slots=2 * variant.most_replicas)
    bundle = Store(directory.parents[1]).bundle_directory(deployment.bundle_digest)
    plan = ReplicaPlan(
        directory=directory,
        command=lambda port: service_command(
            service, bundle, port, variant.resources.cpu_limit_cores, variant.serving.queue_capacity
        ),
        limits=Limits(variant.resources.cpu_limit_cores, variant.resources.memory_limit_bytes),
        probe=ProbeSettings(
            path=variant.serving.readiness_path,
            period_s=variant.serving.readiness_period_s,
            timeout_s=variant.serving.readiness_timeout_s,
            failure_threshold=variant.serving.readiness_failure_threshold,
        ),
        drain_s=DRAIN_S,
        grace_s=GRACE_S,
    )
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    supervisor = Supervisor(deployment, directory, plan, limiter, balancer, url, now)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.stop)
    chosen = f"CPU limited by {limiter.name}" + (f" ({passed_over})" if passed_over else "")
    supervisor.event("Normal", "LimiterChosen", None, chosen)
    went_well = await supervisor.run()
    listening.close()
    return 0 if went_well else RunFailed.exit_code


def service_command(
    service: Sequence[str], bundle: Path, port: int, cpu_limit_cores: float, queue_capacity: int | None = None
) -> list[str]:
    """Return the command line of one replica's service, with a thread for each core it may use, or part of one."""
    options: dict[str, object] = {
        "--bundle": bundle,
        "--port": port,
        "--threads": max(1, math.ceil(cpu_limit_cores)),
        "--drain-s": SERVICE_DRAIN_S,
    }
    if queue_capacity is not None:
        options["--queue-capacity"] = queue_capacity
    return [*service, *(str(word) for option in options.items() for word in option)]


def _balancer(wanted: str | None, directory: Path, listening: socket.socket, slots: int) -> Balancer:
    if wanted == "built-in":
        return BuiltInProxy(listening)
    try:
        program = find_haproxy()
    except MachineError:
        if wanted == "haproxy":
            raise
        return BuiltInProxy(listening)
    return HAProxy(program, directory, listening, slots, marks(directory, "load-balancer"))


def _counting_clock() -> Callable[[], float]:
    """Return a clock that tells seconds since the epoch and is never set back."""
    offset_s = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset_s


if __name__ == "__main__":
    sys.exit(main())
