"""The bundle: a folder that holds all a replica needs, described by its manifest.json.

    manifest.json    what BundleManifest says, as JSON
    <weights file>   the model in the runtime's own format; its SHA-256 stands in the manifest
    <test image>     the photograph that /test predicts

Nothing in a bundle is executed before the weights' checksum was found right.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast, get_args

from foodbench.imaging import Scaling

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST_FILE",
    "BundleError",
    "BundleManifest",
    "Scaling",
    "read_manifest",
    "write_manifest",
]

FORMAT_VERSION = 1
"""Raised when a field changes its meaning or is removed."""

MANIFEST_FILE = "manifest.json"

MOST_MANIFEST_BYTES = 1 << 20
MOST_CLASSES = 100_000
MOST_INPUT_SIZE_PX = 4096


class BundleError(ValueError):
    """A bundle that cannot be served. The message is one line for the user."""


@dataclass(frozen=True)
class BundleManifest:
    """What a bundle holds.

    Raises:
        BundleError: A field has an impossible value.
    """

    model_name: str
    model_digest: str
    runtime: str
    """litert, openvino-int8, keras, ...; which of them can be served is up to the service."""
    weights_file: str
    """Plain name of a file in the bundle's folder."""
    weights_sha256: str
    """64 lower-case hexadecimal digits."""
    classes: tuple[str, ...]
    """Names, by class id."""
    input_size_px: int
    """Side of the square that the model takes."""
    scaling: Scaling
    """How uint8 pixels become the model's float32 input."""
    test_image_file: str
    marks: tuple[str, ...] = ()
    """What must be said wherever this model's accuracy is shown."""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name, fault in _faults(self).items():
            if fault:
                raise BundleError(f"the bundle's {name} is not right. Received: {_shortened(getattr(self, name))}")


def write_manifest(directory: Path, manifest: BundleManifest) -> Path:
    """Write ``manifest`` as JSON into ``directory``, which holds the weights and the test image.

    Returns:
        The path written.
    """
    path = directory / MANIFEST_FILE
    path.write_text(json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_manifest(directory: Path) -> BundleManifest:
    """Read the manifest in ``directory`` and check the files it names.

    Raises:
        BundleError: The manifest is missing, damaged or of another version, a file it names is
            missing, or the weights' SHA-256 is not the one it states.
    """
    manifest = _parse(_read_json(directory / MANIFEST_FILE))
    if not (directory / manifest.test_image_file).is_file():
        raise BundleError(f"the bundle {directory} lacks its test image {manifest.test_image_file}. Package it again.")
    found = sha256_of(directory / manifest.weights_file)
    if found != manifest.weights_sha256:
        raise BundleError(
            f"the weights {directory / manifest.weights_file} have SHA-256 {found}, "
            f"the manifest states {manifest.weights_sha256}. Package the model again."
        )
    return manifest


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises:
        BundleError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}. Package the model again.") from None


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            encoded = file.read(MOST_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BundleError(
            f"cannot read {path}: {error.strerror or error}. --bundle takes a folder that foodbench packaged."
        ) from None
    if len(encoded) > MOST_MANIFEST_BYTES:
        raise BundleError(f"{path} is larger than {MOST_MANIFEST_BYTES} bytes: no manifest is.")
    try:
        content: Any = json.loads(encoded)
    except (ValueError, RecursionError):
        raise BundleError(f"{path} is not JSON. Package the model again.") from None
    if not isinstance(content, dict):
        raise BundleError(f"{path} does not hold a JSON object. Package the model again.")
    return content


def _parse(content: Mapping[str, Any]) -> BundleManifest:
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"the bundle has format version {version!r}; this service reads {FORMAT_VERSION}. Package the model again."
        )
    expected = {field.name for field in fields(BundleManifest)}
    if missing := expected - content.keys():
        raise BundleError(f"the manifest lacks {', '.join(sorted(missing))}. Package the model again.")
    if unknown := content.keys() - expected:
        raise BundleError(f"the manifest has unknown keys: {', '.join(sorted(unknown))}. Package the model again.")
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
    return BundleManifest(**values)


def _faults(manifest: BundleManifest) -> dict[str, bool]:
    """Return for each field whether its value is impossible."""
    return {
        "format_version": manifest.format_version != FORMAT_VERSION,
        "model_name": not _is_text(manifest.model_name),
        "model_digest": not _is_text(manifest.model_digest),
        "runtime": not _is_text(manifest.runtime),
        "weights_file": not _is_plain_name(manifest.weights_file),
        "weights_sha256": not (
            _is_text(manifest.weights_sha256) and re.fullmatch("[0-9a-f]{64}", manifest.weights_sha256)
        ),
        "classes": not (_are_texts(manifest.classes) and 2 <= len(manifest.classes) <= MOST_CLASSES),
        "input_size_px": type(manifest.input_size_px) is not int
        or not 1 <= manifest.input_size_px <= MOST_INPUT_SIZE_PX,
        "scaling": not _is_text(manifest.scaling) or manifest.scaling not in get_args(Scaling),
        "test_image_file": not _is_plain_name(manifest.test_image_file),
        "marks": not _are_texts(manifest.marks),
    }


# Values come from a file: their declared types are a hope, so these take any.


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_text(item) for item in cast("tuple[object, ...]", value))


def _is_plain_name(value: object) -> bool:
    """Whether ``value`` names a file in the bundle's folder and nothing outside it."""
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", value) is not None


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
