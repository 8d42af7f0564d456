"""The build context: a folder that holds everything an image is made of, so that building needs no network."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import foodbench
from foodbench.packaging.image import install
from foodbench.packaging.image.containerfile import containerfile
from foodbench.packaging.image.wheels import REQUIREMENTS_FILE
from foodbench.serving.bundle import MANIFEST_FILE, read_manifest

__all__ = ["code_digest", "write_context"]

PARTS = ("imaging", "serving")
"""Of foodbench: the service imports no other."""

DATA_SUFFIXES = {".py", ".html"}


def code_digest() -> str:
    """Return the SHA-256 of all code that goes into an image, in hexadecimal."""
    digest = hashlib.sha256()
    for name, path in _code_files():
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def write_context(
    directory: Path, *, bundle: Path, wheels: Path, base: str, labels: Mapping[str, str], timestamp_s: int
) -> None:
    """Write a build context into an empty folder.

    Args:
        directory: It.
        bundle: A folder that foodbench packaged.
        wheels: Wheels and their requirements file.
        base: The image to build upon.
        labels: Of the image's configuration.
        timestamp_s: Of every file, since the epoch.

    Raises:
        BundleError: The bundle is damaged.
    """
    (directory / "Containerfile").write_text(containerfile(base, labels), encoding="utf-8")
    shutil.copyfile(install.__file__, directory / "install.py")
    for name, path in _code_files():
        _copy(path, directory / "code" / name)
    _write_metadata(directory / "code")
    for path in (*wheels.glob("*.whl"), wheels / REQUIREMENTS_FILE):
        _copy(path, directory / "wheels" / path.name)
    manifest = read_manifest(bundle)
    # Not the store's record beside them: it tells of the machine the bundle was made on.
    for name in (MANIFEST_FILE, manifest.weights_file, manifest.test_image_file):
        _copy(bundle / name, directory / "bundle" / name)
    _make_alike(directory, timestamp_s)


def _code_files() -> list[tuple[str, Path]]:
    package = Path(foodbench.__file__).parent
    files = [package / "__init__.py"]
    for part in PARTS:
        files += [path for path in (package / part).rglob("*") if path.suffix in DATA_SUFFIXES]
    return sorted((path.relative_to(package.parent).as_posix(), path) for path in files)


def _write_metadata(directory: Path) -> None:
    """Write what a program needs to ask the copy of foodbench for its version."""
    version = metadata.version("foodbench")
    folder = directory / f"foodbench-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: foodbench\nVersion: {version}\n", encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _make_alike(directory: Path, timestamp_s: int) -> None:
    """Set modes and time stamps, which would otherwise be the user's and the moment's."""
    for path in sorted(directory.rglob("*"), reverse=True):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (timestamp_s, timestamp_s))
