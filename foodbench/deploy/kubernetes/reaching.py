"""How this machine reaches a Service: by an address of its own, by a port of a node, else by a port-forward."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from foodbench.deploy.kubernetes.forwarding import FORWARD_FILE, PortForward
from foodbench.deploy.kubernetes.kubectl import Kubectl
from foodbench.deploy.kubernetes.reading import Plain, name_of, objects, text, whole
from foodbench.deploy.local.process_start import free_port
from foodbench.deploy.local.processes import end_all, is_alive, marked
from foodbench.errors import RunFailed
from foodbench.process import spawn_detached
from foodbench.records.deployments import DeploymentState, LoadBalancer
from foodbench.store import write_record

__all__ = ["FORWARD_MARK", "Reached", "end_forward", "forward", "reached_before", "urls_of"]

FORWARD_MARK = "FOODBENCH_PORT_FORWARD"
"""Apart from the marks of local deployments: it is a part of none."""

FORWARD_GRACE_S = 10.0
POLL_S = 0.1


@dataclass(frozen=True)
class Reached:
    """Where a service answers, and what leads there."""

    url: str
    through: LoadBalancer
    pid: int = 0
    """Of the port-forward's supervisor; 0 where there is none."""
    started_at: float = 0.0
    """Its creation time, seconds since the epoch."""

    @property
    def broken(self) -> bool:
        """Whether what leads there is a process of this machine that has ended."""
        return self.through == "port-forward" and not is_alive(self.pid, self.started_at)


def urls_of(services: tuple[Plain, ...], nodes: tuple[Plain, ...]) -> Iterator[str]:
    """Yield the root URLs by which a Service may be reached, the most direct first.

    Args:
        services: Of one deployment.
        nodes: Of the cluster; none where they may not be listed.
    """
    for service in services:
        ports = objects(service, "spec", "ports")
        for address in objects(service, "status", "loadBalancer", "ingress"):
            host = text(address, "ip") or text(address, "hostname")
            yield from (_url(host, whole(port, "port")) for port in ports if host)
        hosts = [
            text(address, "address")
            for kind in ("ExternalIP", "InternalIP")
            for node in nodes
            for address in objects(node, "status", "addresses")
            if text(address, "type") == kind
        ]
        yield from (_url(host, number) for port in ports if (number := whole(port, "nodePort")) for host in hosts)


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def reached_before(state: DeploymentState) -> Reached:
    """Return how a deployment was reached when its state was written."""
    return Reached(state.url, state.load_balancer, state.supervisor_pid, state.supervisor_started_at)


def forward(
    kubectl: Kubectl, service: Plain, directory: Path, answers: Callable[[str], bool], *, timeout_s: float
) -> Reached:
    """Start a port-forward to a Service that outlives this process, and return once the service answers through it.

    It is written down before it is started, and its processes carry the deployment's id in their environment.

    Args:
        kubectl: For the Service's cluster and namespace.
        service: It.
        directory: The deployment's folder.
        answers: Whether a service answers at a root URL.
        timeout_s: How long it may take.

    Raises:
        RunFailed: Nothing answers through it in time.
    """
    port = free_port()
    there = next((whole(one, "port") for one in objects(service, "spec", "ports")), 0)
    how = ("port-forward", "--address=127.0.0.1", f"service/{name_of(service)}", f"{port}:{there}")
    write_record(directory / FORWARD_FILE, PortForward(command=kubectl.command(*how)), replace=True)
    log = directory / "logs" / "port-forward.log"
    log.parent.mkdir(exist_ok=True)
    arguments = [sys.executable, "-P", "-m", "foodbench.deploy.kubernetes.forwarding", str(directory)]
    pid = spawn_detached(arguments, log=log, env={**os.environ, FORWARD_MARK: directory.name})
    reached = Reached(f"http://127.0.0.1:{port}", "port-forward", pid, psutil.Process(pid).create_time())
    deadline_s = time.monotonic() + timeout_s
    while not answers(reached.url):
        if reached.broken or time.monotonic() > deadline_s:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise RunFailed(
                f"the service runs, but neither its addresses nor kubectl port-forward lead to it: {said[-1] if said else 'no answer'}",
                "Let this machine reach the nodes' port, or run foodbench inside the cluster's network",
            )
        time.sleep(POLL_S)
    return reached


def end_forward(deployment_id: str) -> None:
    """End a deployment's port-forward, if it has one, also where its pid was never written down."""
    end_all(marked({FORWARD_MARK: deployment_id}), grace_s=FORWARD_GRACE_S)
