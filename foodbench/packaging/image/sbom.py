"""The software bill of materials of an image, as CycloneDX 1.6 JSON."""

from __future__ import annotations

import email
import hashlib
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foodbench.packaging.image.wheels import normalised
from foodbench.records.bundles import ServingBundle
from foodbench.records.images import BaseImage

__all__ = ["bill_of_materials"]

LONGEST_LICENCE = 80
"""Some packages put the whole text where its name belongs."""


def bill_of_materials(
    wheels: Path, bundle: ServingBundle, base: BaseImage, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Describe what is in an image above its base: packages by their hashes, foodbench, the model.

    Equal inputs give equal documents: its serial number is made from them.

    Args:
        wheels: Folder of the wheels that were installed.
        bundle: That the image serves.
        base: Named, not looked into.
        labels: Of the image.
    """
    packages = [_package(path) for path in sorted(wheels.glob("*.whl")) if not path.name.startswith("pip-")]
    prefix = "org.opencontainers.image."
    subject = {
        "type": "container",
        "bom-ref": "image",
        "name": labels[f"{prefix}title"],
        "version": bundle.digest,
        "properties": [{"name": name, "value": value} for name, value in sorted(labels.items())],
    }
    foodbench = {
        "type": "application",
        "bom-ref": "foodbench",
        "name": "foodbench",
        "version": labels[f"{prefix}version"],
        "hashes": [_sha256(labels["foodbench.code.sha256"])],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    model = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": bundle.model_name,
        "version": bundle.model_digest,
        "hashes": [_sha256(bundle.weights_sha256)],
    }
    ground = {"type": "container", "bom-ref": "base", "name": base.name, "version": base.digest or base.image_id}
    components: list[dict[str, Any]] = [foodbench, model, ground, *packages]
    seed = "\n".join(
        [*(f"{key}={value}" for key, value in sorted(labels.items())), *(each["purl"] for each in packages)]
    )
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, seed)}",
        "version": 1,
        "metadata": {
            "timestamp": labels[f"{prefix}created"],
            "component": subject,
            "tools": {
                "components": [{"type": "application", "name": "foodbench", "version": labels[f"{prefix}version"]}]
            },
        },
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [component["bom-ref"] for component in components]}],
    }


def _package(wheel: Path) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA"))
        headers = email.message_from_bytes(archive.read(name))
    purl = f"pkg:pypi/{normalised(headers['Name'])}@{headers['Version']}"
    package: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": headers["Name"],
        "version": headers["Version"],
        "purl": purl,
        "hashes": [_sha256(hashlib.sha256(wheel.read_bytes()).hexdigest())],
    }
    if expression := headers["License-Expression"]:
        package["licenses"] = [{"expression": expression}]
    elif (licence := " ".join((headers["License"] or "").split())) and len(licence) <= LONGEST_LICENCE:
        package["licenses"] = [{"license": {"name": licence}}]
    return package


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}
