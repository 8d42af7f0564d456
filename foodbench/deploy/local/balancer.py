"""What stands for the Service: one address in front of the replicas that are ready."""

from __future__ import annotations

import socket
from typing import Protocol

from foodbench.records.deployments import LoadBalancer

__all__ = ["Balancer", "listen"]

BACKLOG = 4096


class Balancer(Protocol):
    """Spreads connections at random over the ready replicas, as a Service does. A slot is one replica's place."""

    @property
    def name(self) -> LoadBalancer:
        """What the records call it."""

    @property
    def pid(self) -> int | None:
        """Its process, if it has one of its own."""

    async def start(self) -> None:
        """Begin to accept connections; there are no replicas yet."""

    async def add(self, slot: int, port: int) -> None:
        """Send new connections to a replica too."""

    async def drain(self, slot: int) -> None:
        """Send no new connections to a replica; those it has stay."""

    async def remove(self, slot: int) -> None:
        """Forget a replica."""

    async def connections(self, slot: int) -> int:
        """Return how many connections a replica has."""

    async def restore(self) -> bool:
        """Start it again, with its replicas, if it has died; say whether it had."""

    async def stop(self) -> None:
        """Stop accepting, and end."""


def listen() -> socket.socket:
    """Return a socket that listens on a free loopback port.

    It stays open in the supervisor, so that the port is kept should the load balancer have to be restarted.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listening.setblocking(False)
    return listening
