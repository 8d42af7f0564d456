"""What an image says of itself: the OCI image specification's annotations, and foodbench's own."""

from __future__ import annotations

from datetime import UTC, datetime

from foodbench.records.bundles import ServingBundle
from foodbench.records.images import BaseImage

__all__ = ["image_labels"]


def image_labels(
    bundle: ServingBundle, base: BaseImage, *, timestamp_s: int, version: str, revision: str | None, code_sha256: str
) -> dict[str, str]:
    """Return the labels of an image, which are its manifest's annotations as well.

    Args:
        bundle: That it serves.
        base: That it is built upon.
        timestamp_s: Of the bundle, since the epoch.
        version: Of foodbench.
        revision: Of foodbench's source; None where it was installed without one.
        code_sha256: Of the code in it.
    """
    prefix = "org.opencontainers.image."
    labels = {
        f"{prefix}title": f"foodbench {bundle.model_name} {bundle.runtime}",
        f"{prefix}description": f"Classifies photographs by {bundle.model_name} in {bundle.runtime}",
        f"{prefix}created": datetime.fromtimestamp(timestamp_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        f"{prefix}version": version,
        f"{prefix}base.name": base.name,
        "foodbench.bundle": bundle.digest,
        "foodbench.code.sha256": code_sha256,
        "foodbench.model": bundle.model_name,
        "foodbench.model.digest": bundle.model_digest,
        "foodbench.python": base.python_version,
        "foodbench.runtime": bundle.runtime,
        "foodbench.weights.sha256": bundle.weights_sha256,
    }
    if revision is not None:
        labels[f"{prefix}revision"] = revision
    if base.digest is not None:
        labels[f"{prefix}base.digest"] = base.digest
    return labels
