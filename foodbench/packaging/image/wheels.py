"""The wheelhouse: every package the service needs, for the base image's Python, in the versions installed here."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from foodbench.errors import MachineError, RunFailed
from foodbench.process import run
from foodbench.records.base import digest_of
from foodbench.records.experiments import Runtime
from foodbench.records.images import BaseImage
from foodbench.store import Store

__all__ = ["REQUIREMENTS_FILE", "SERVICE_PACKAGES", "ensure_wheels", "platform_tags", "runtime_packages"]

REQUIREMENTS_FILE = "requirements.txt"

SERVICE_PACKAGES = (
    "httptools", "numpy", "pillow", "prometheus-client", "python-multipart", "starlette", "uvicorn", "uvloop",
)  # fmt: skip
"""What foodbench.serving and foodbench.imaging import."""

RUNTIME_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "keras": ("tensorflow", "keras"),
    "litert": ("ai-edge-litert",),
    "openvino": ("openvino",),
    "onnx": ("onnxruntime",),
}
"""By the first word of the runtime's name."""

DOWNLOAD_TIMEOUT_S = 1800.0

OLDEST_GLIBC_MINOR = 17
"""Of manylinux2014, the oldest that wheels of these packages are built for."""


def runtime_packages(runtime: Runtime) -> tuple[str, ...]:
    """Return the packages that a runtime needs beside the service's own."""
    return RUNTIME_PACKAGES[runtime.partition("-")[0]]


def platform_tags(base: BaseImage) -> tuple[str, ...]:
    """Return the platform tags of the wheels that a base image takes, best first (PEP 600)."""
    newest = int(base.glibc_version.split(".")[1])
    minors = range(newest, OLDEST_GLIBC_MINOR - 1, -1)
    return (*(f"manylinux_2_{minor}_{base.machine}" for minor in minors), f"manylinux2014_{base.machine}")


def ensure_wheels(runtime: Runtime, base: BaseImage, store: Store) -> Path:
    """Download the wheels for a runtime and a base image, or find them where they were downloaded before.

    Args:
        runtime: What computes the predictions.
        base: Whose Python they are for.
        store: Keeps them.

    Returns:
        A folder of wheels, with pip's own to install them, and a requirements file with their hashes.

    Raises:
        MachineError: A package, pip or the network is not there.
    """
    wanted = {name: _installed_version(name) for name in (*SERVICE_PACKAGES, *runtime_packages(runtime), "pip")}
    constraints = _installed_constraints()
    target = (base.python_version, *platform_tags(base)[:1])
    directory = store.wheels_directory(
        digest_of(*(f"{k}=={v}" for k, v in sorted(wanted.items())), *target, *constraints)
    )
    if not (directory / REQUIREMENTS_FILE).exists():
        with store.fresh_directory(directory) as fresh:
            _download(wanted, constraints, base, fresh)
            (fresh / REQUIREMENTS_FILE).write_text(_requirements(fresh), encoding="utf-8")
    return directory


def _download(wanted: Mapping[str, str], constraints: tuple[str, ...], base: BaseImage, directory: Path) -> None:
    file = directory / "constraints.txt"
    file.write_text("\n".join(constraints) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", base.python_version]
    for tag in platform_tags(base):
        command += ["--platform", tag]
    command += ["--dest", str(directory), "--constraint", str(file)]
    try:
        run([*command, *(f"{name}=={version}" for name, version in wanted.items())], timeout_s=DOWNLOAD_TIMEOUT_S)
    except RunFailed as error:
        raise MachineError(
            f"the packages for Python {base.python_version} on {base.machine} cannot be downloaded: {error.problem}",
            "Check the network and that pip is installed, or give a --base with another Python",
        ) from error
    file.unlink()


def _requirements(directory: Path) -> str:
    lines = []
    for wheel in sorted(directory.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        if name != "pip":
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{normalised(name)}=={version} --hash=sha256:{digest}\n")
    return "".join(lines)


def normalised(name: str) -> str:
    """Return a package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        raise MachineError(
            f"the package {name} is not installed, so its version for the image is not known",
            "Install foodbench[all]" if name != "pip" else "Install it: python -m ensurepip",
        ) from None


def _installed_constraints() -> tuple[str, ...]:
    """Return every installed package's version: the image gets what was measured here."""
    found = {normalised(each.name): each.version for each in metadata.distributions()}
    found.pop("foodbench", None)
    # What was built here for this machine alone has no such version elsewhere.
    return tuple(f"{name}=={version}" for name, version in sorted(found.items()) if "+" not in version)
