"""Which cluster is meant, and whether it may be meant without being named."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from foodbench.deploy.kubernetes.cluster import Cluster, Refused
from foodbench.deploy.kubernetes.reading import Plain, objects
from foodbench.errors import InputError, MachineError

__all__ = ["Contexts", "list_contexts", "nodes_of", "runs_here", "whose_cluster"]

LOCAL_NAMES = ("kind-", "k3d-", "minikube", "docker-desktop", "rancher-desktop", "colima", "orbstack")
"""How the contexts begin that tools for clusters on one's own machine make."""


@dataclass(frozen=True)
class Contexts:
    """The contexts of the kubeconfig."""

    names: tuple[str, ...]
    current: str | None
    """The one kubectl would take; None where none is chosen."""


def list_contexts(kubeconfig: str | None = None) -> Contexts:
    """Return the contexts of the kubeconfig. No cluster is asked.

    Args:
        kubeconfig: The file; None for KUBECONFIG's, or the usual one.

    Raises:
        MachineError: The package kubernetes is not installed.
        InputError: There is no kubeconfig, or it is damaged.
    """
    try:
        from kubernetes import config
    except ModuleNotFoundError:
        raise MachineError("the package kubernetes is not installed", "Install foodbench[kubernetes]") from None
    try:
        found, current = config.list_kube_config_contexts(config_file=kubeconfig)
    except (config.ConfigException, KeyError, TypeError) as error:
        said = str(error).rstrip(".")
        # A kubeconfig without a current context is a whole one: whoever uses it names a context.
        if "current-context" in said:
            return Contexts((), None)
        raise InputError(f"no cluster is known: {said}", "Set KUBECONFIG, or make a cluster first") from error
    return Contexts(tuple(str(one["name"]) for one in found), None if current is None else str(current["name"]))


def nodes_of(cluster: Cluster) -> tuple[Plain, ...]:
    """Return a cluster's nodes; none where they may not be listed.

    Raises:
        RunFailed: The API server cannot be reached.
    """
    try:
        return objects(cluster.get("/api/v1/nodes"), "items")
    except Refused:
        return ()


def whose_cluster(cluster: Cluster) -> str:
    """Say what makes a cluster look like more than somebody's own on this machine; empty where nothing does.

    Only a cluster whose address is this machine's is asked for its nodes.

    Raises:
        RunFailed: Its API server cannot be reached.
    """
    if not runs_here(cluster):
        return f"its API server {_host(cluster)} is not this machine"
    if not cluster.context.startswith(LOCAL_NAMES) and len(nodes := nodes_of(cluster)) > 1:
        return f"it has {len(nodes)} nodes"
    return ""


def runs_here(cluster: Cluster) -> bool:
    """Say whether a cluster runs on this machine: by its address, or made there by a tool in containers of its own."""
    host = _host(cluster)
    return _is_here(host) or (cluster.context.startswith(LOCAL_NAMES) and _is_private(host))


def _host(cluster: Cluster) -> str:
    return urlsplit(cluster.server).hostname or ""


def _is_here(host: str) -> bool:
    """Say whether a host is this machine, by its address or name; no name server is asked."""
    if host in {"localhost", socket.gethostname()}:
        return True
    address = _address(host)
    if address is None:
        return False
    own = {entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries}
    return address.is_loopback or str(address) in own


def _is_private(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_private


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
