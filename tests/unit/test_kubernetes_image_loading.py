"""An image gets onto the cluster that the context names, or it is said why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from foodbench.deploy.kubernetes.image_loading import load_image, loading_command
from foodbench.deploy.kubernetes.reading import Plain
from foodbench.errors import InputError, MachineError, RunFailed

ARCHIVE = Path("/somewhere/model.tar")


def node(name: str, kubelet: str = "v1.36.2", runtime: str = "containerd://1.7.24") -> Plain:
    return {
        "metadata": {"name": name},
        "status": {"nodeInfo": {"kubeletVersion": kubelet, "containerRuntimeVersion": runtime}},
    }


@pytest.mark.parametrize(
    ("context", "command"),
    [
        ("kind-kind", "kind load image-archive /somewhere/model.tar --name=kind"),
        ("kind-my-own", "kind load image-archive /somewhere/model.tar --name=my-own"),
        ("k3d-a", "k3d image import /somewhere/model.tar --cluster=a"),
        ("minikube", "minikube image load /somewhere/model.tar --profile=minikube"),
    ],
)
def test_clusters_known_by_their_context(context: str, command: str) -> None:
    assert " ".join(loading_command(context, (), ARCHIVE, hostname="here")) == command


def test_clusters_known_by_their_only_node() -> None:
    k3s, bare = node("here", kubelet="v1.33.1+k3s1"), node("here")
    assert loading_command("default", (k3s,), ARCHIVE, hostname="here")[0] == "k3s"
    assert loading_command("default", (bare,), ARCHIVE, hostname="here")[:2] == ("ctr", "--namespace=k8s.io")


@pytest.mark.parametrize(
    "nodes", [(), (node("elsewhere"),), (node("here"), node("elsewhere")), (node("here", runtime="cri-o://1.30"),)]
)
def test_any_other_cluster_needs_a_registry(nodes: tuple[Plain, ...]) -> None:
    for context in ("production", "kind", "kind-", "default"):
        with pytest.raises(InputError, match="Push the image to a registry"):
            loading_command(context, nodes, ARCHIVE, hostname="here")


def test_nodes_that_may_not_be_listed_are_said_to_be_unseen() -> None:
    with pytest.raises(InputError, match="its nodes may not be listed"):
        loading_command("default", (), ARCHIVE, hostname="here")
    with pytest.raises(InputError, match=r"on this machine\. Push") as refused:
        loading_command("default", (node("elsewhere"),), ARCHIVE, hostname="here")
    assert "listed" not in str(refused.value)


def test_the_clusters_own_program_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "kind"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    load_image(ARCHIVE, "kind-a", ())
    assert (tmp_path / "arguments").read_text() == "load image-archive /somewhere/model.tar --name=a\n"
    program.write_text("#!/bin/sh\necho no nodes found >&2\nexit 1\n")
    with pytest.raises(RunFailed, match="no nodes found"):
        load_image(ARCHIVE, "kind-a", ())
    with pytest.raises(MachineError, match="k3d is not on this machine"):
        load_image(ARCHIVE, "k3d-a", ())
