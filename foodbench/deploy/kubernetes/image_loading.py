"""How an image built here gets onto the nodes of a cluster that runs here too."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from foodbench.deploy.kubernetes.reading import Plain, name_of, text
from foodbench.errors import InputError
from foodbench.process import find_program, run

__all__ = ["load_image", "loading_command"]

LOAD_TIMEOUT_S = 600.0


def loading_command(
    context: str, nodes: Sequence[Plain], archive: Path, *, hostname: str | None = None
) -> tuple[str, ...]:
    """Return the command that loads an image onto a cluster's nodes.

    kind, k3d and minikube are known by the context's name, which they choose themselves. k3s and a bare containerd are known
    by the cluster's only node being this machine.

    Args:
        context: The context's name.
        nodes: The cluster's nodes.
        archive: The image, as an engine's ``save`` writes it.
        hostname: Of this machine; None to ask it.

    Raises:
        InputError: It is none of these clusters, so its nodes can only pull from a registry.
    """
    tool, _, name = context.partition("-")
    if tool == "kind" and name:
        return ("kind", "load", "image-archive", str(archive), f"--name={name}")
    if tool == "k3d" and name:
        return ("k3d", "image", "import", str(archive), f"--cluster={name}")
    if tool == "minikube":
        return ("minikube", "image", "load", str(archive), f"--profile={context}")
    if len(nodes) == 1 and name_of(nodes[0]) == (hostname or socket.gethostname()):
        if "+k3s" in text(nodes[0], "status", "nodeInfo", "kubeletVersion"):
            return ("k3s", "ctr", "images", "import", str(archive))
        if text(nodes[0], "status", "nodeInfo", "containerRuntimeVersion").startswith("containerd://"):
            return ("ctr", "--namespace=k8s.io", "images", "import", str(archive))
    unseen = "" if nodes else ", as far as is seen: its nodes may not be listed"
    raise InputError(
        f"context {context} is none of kind, k3d, minikube, k3s or a containerd on this machine{unseen}",
        "Push the image to a registry that its nodes can reach (--push REGISTRY/NAME), or name one they have (--image)",
    )


def load_image(archive: Path, context: str, nodes: Sequence[Plain]) -> None:
    """Load an image onto the nodes of the cluster that a context names.

    Args:
        archive: The image, as an engine's ``save`` writes it.
        context: The context's name.
        nodes: The cluster's nodes.

    Raises:
        InputError: The cluster is none whose nodes can be given an image from here.
        MachineError: The cluster's own program is not on this machine.
        RunFailed: The image could not be loaded.
    """
    program, *arguments = loading_command(context, nodes, archive)
    found = find_program(program, remedy=f"It loads images onto the cluster of context {context}")
    run([found, *arguments], timeout_s=LOAD_TIMEOUT_S)
