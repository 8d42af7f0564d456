"""Reads the machine, the software and the source revision that numbers are produced on."""

from __future__ import annotations

import contextlib
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

from foodbench.errors import FoodbenchError
from foodbench.process import run
from foodbench.records.provenance import Provenance

__all__ = ["read_provenance", "usable_cores", "utc_now"]

DECIDING_FEATURES = (
    "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "avx512_bf16",
    "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
"""CPU features that decide how fast inference is, in the kernel's words (x86-64, then Arm)."""

PACKAGES = (
    "foodbench", "tensorflow", "keras", "numpy", "pillow", "ai-edge-litert", "openvino", "nncf",
    "onnxruntime", "uvicorn", "starlette",
    "locust", "pandas", "pyarrow", "matplotlib", "psutil", "pydantic",
)  # fmt: skip
"""Packages whose version may change a number."""


def utc_now() -> str:
    """Return the time now, in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_provenance() -> Provenance:
    """Describe this machine and this software."""
    model, features = _cpu()
    return Provenance(
        created_at=utc_now(),
        host=platform.node(),
        operating_system=f"{platform.system()} {platform.release()}",
        cpu_model=model,
        cpu_features=features,
        cpu_cores=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        python_version=platform.python_version(),
        package_versions=_package_versions(),
        git_revision=_git_revision(),
    )


def usable_cores() -> int:
    """Return how many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def forget_peak_memory() -> None:
    """Let ``peak_memory_bytes`` begin anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        # proc_pid_clear_refs(5): 5 resets the peak resident set size.
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes() -> int | None:
    """Return the largest resident set this process has had; None where that cannot be read (Linux only)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(sizes[0]) * 1024 if sizes else None


def _cpu() -> tuple[str, tuple[str, ...]]:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine(), ()
    fields: dict[str, str] = {}
    for line in cpuinfo.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    model = fields.get("model name") or platform.machine()
    present = set((fields.get("flags") or fields.get("Features") or "").split())
    return model, tuple(feature for feature in DECIDING_FEATURES if feature in present)


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _git_revision() -> str | None:
    source = Path(__file__).resolve().parent
    if not (source.parent / ".git").exists():
        return None
    try:
        revision = run(["git", "-C", str(source), "rev-parse", "--short=12", "HEAD"], timeout_s=5).output.strip()
        changes = run(["git", "-C", str(source), "status", "--porcelain", "--", "."], timeout_s=5).output.strip()
    except FoodbenchError:
        return None
    return revision + ("+" if changes else "")
