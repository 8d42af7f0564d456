"""A container image built from a bundle."""

from __future__ import annotations

from typing import Literal

from foodbench.records.base import Record
from foodbench.records.experiments import Runtime
from foodbench.records.provenance import Provenance

__all__ = ["BaseImage", "EngineName", "ImageRef"]

EngineName = Literal["podman", "docker", "buildah"]


class BaseImage(Record):
    """What an image is built upon, as found by running its Python."""

    name: str
    image_id: str
    """The engine's, of its configuration."""
    digest: str | None
    """Of its manifest; None where the engine knows none (an image that was never in a registry, under docker)."""
    size_bytes: int
    python_version: str
    """Major and minor."""
    machine: str
    """The processor, in the kernel's words."""
    glibc_version: str


class ImageRef(Record):
    """An image in an engine's storage."""

    digest: str
    """Of the inputs: bundle, code, wheels, base, labels."""
    bundle_digest: str
    model_name: str
    runtime: Runtime
    engine: EngineName
    engine_version: str
    image_id: str
    """Of its configuration, as the engine names it; equal for equal inputs."""
    manifest_digest: str | None
    tags: tuple[str, ...]
    size_bytes: int
    """Unpacked, the base included."""
    base: BaseImage
    labels: dict[str, str]
    sbom_file: str
    """File name, beside the record."""
    pushed: tuple[str, ...] = ()
    """Where it was pushed to, as name@digest."""
    provenance: Provenance
