"""Reads the manifests that ship with foodbench: a base and an overlay for each mode, as kustomize would build them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from foodbench.errors import InputError, MachineError
from foodbench.records.experiments import Mode
from foodbench.shipped import shipped_directory

__all__ = ["Document", "read_overlay"]

Document: TypeAlias = dict[str, Any]
"""One Kubernetes object."""

UNDERSTOOD = {"apiVersion", "kind", "resources", "replicas"}
"""Of a kustomization. Anything else would be applied by kubectl and ignored here, so it is refused."""


def read_overlay(mode: Mode, directory: Path | None = None) -> tuple[Document, ...]:
    """Return the objects of a mode's overlay, in the order its files name them.

    Args:
        mode: Which overlay.
        directory: The folder that holds the overlays; None for the one that ships with foodbench.

    Raises:
        MachineError: PyYAML is not installed.
        InputError: A file is missing, or says more than ``resources`` and ``replicas``.
    """
    manifests = shipped_directory("manifests") if directory is None else directory
    return tuple(_build(manifests / mode))


def _build(folder: Path) -> list[Document]:
    path = folder / "kustomization.yaml"
    kustomization = _one(path)
    if unknown := sorted(kustomization.keys() - UNDERSTOOD):
        raise InputError(
            f"{path} has {', '.join(unknown)}", f"Only {', '.join(sorted(UNDERSTOOD))} are understood here"
        )
    documents: list[Document] = []
    for name in kustomization.get("resources", []):
        resource = folder / name
        documents.extend(_build(resource) if resource.is_dir() else _read(resource))
    for replicas in kustomization.get("replicas", []):
        _set_replicas(documents, replicas["name"], replicas["count"])
    return documents


def _set_replicas(documents: list[Document], name: str, count: int) -> None:
    for document in documents:
        if document["kind"] == "Deployment" and document["metadata"]["name"] == name:
            document["spec"]["replicas"] = count


def _one(path: Path) -> Document:
    documents = list(_read(path))
    if len(documents) != 1:
        raise InputError(f"{path} holds {len(documents)} documents", "A kustomization is one")
    return documents[0]


def _read(path: Path) -> Iterator[Document]:
    try:
        import yaml
    except ModuleNotFoundError:
        raise MachineError("the package PyYAML is not installed", "Install foodbench[kubernetes]") from None
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", "It ships with foodbench; install it again"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {error}", "It ships with foodbench; install it again") from error
    for document in documents:
        if not isinstance(document, dict):
            raise InputError(f"{path} holds something that is no object", "Each document is a mapping")
        yield document
