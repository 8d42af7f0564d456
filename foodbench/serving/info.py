"""/info: what this replica is."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from foodbench.serving.bundle import BundleManifest
from foodbench.serving.pool import Loaded
from foodbench.serving.settings import Settings

__all__ = ["information"]

PACKAGES = ("foodbench", "numpy", "pillow", "starlette", "uvicorn", "uvloop", "httptools")


def information(manifest: BundleManifest, settings: Settings, loaded: Loaded | None) -> dict[str, Any]:
    """Return what /info answers.

    Args:
        manifest: The bundle's.
        settings: How this replica computes.
        loaded: What the runtime says of itself; None while it is being loaded.
    """
    runtime = None if loaded is None else loaded.description
    return {
        "model": manifest.model_name,
        "model_digest": manifest.model_digest,
        "weights_sha256": manifest.weights_sha256,
        "marks": list(manifest.marks),
        "classes": list(manifest.classes),
        "input_size_px": manifest.input_size_px,
        "scaling": manifest.scaling,
        "runtime": manifest.runtime,
        "precision": None if runtime is None else runtime.precision,
        "load_duration_s": None if loaded is None else round(loaded.load_duration_s, 3),
        "cpu_cores": settings.cpu.cores,
        "cpu_affinity_cores": settings.cpu.affinity_cores,
        "cpu_quota_cores": settings.cpu.quota_cores,
        "workers": settings.workers,
        "threads_per_worker": settings.threads_per_worker if runtime is None else runtime.threads,
        "threads": settings.workers * settings.threads_per_worker,
        "queue_capacity": settings.queue_capacity,
        "deadline_s": settings.deadline_s,
        "batch_size": settings.batching.size,
        "batch_wait_s": settings.batching.wait_s,
        "versions": {
            "python": platform.python_version(),
            **({} if runtime is None else {runtime.name: runtime.version}),
            **_versions(PACKAGES),
        },
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
