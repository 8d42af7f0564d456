"""What computes a prediction. One module a runtime, imported only when its bundle is served."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from foodbench.serving.bundle import BundleManifest
from foodbench.serving.runtimes.protocol import Runtime, RuntimeDescription, RuntimeUnavailable

__all__ = [
    "BATCHING_RUNTIMES",
    "RUNTIME_NAMES",
    "Runtime",
    "RuntimeDescription",
    "RuntimeUnavailable",
    "create_runtime",
    "import_library",
]

_MODULES = {
    "keras": "keras",
    "litert": "litert",
    "litert-f16": "litert",
    "litert-int8": "litert",
    "openvino-f32": "openvino",
    "openvino-bf16": "openvino",
    "openvino-int8": "openvino",
    "onnx": "onnx",
}

_LIBRARIES = {
    "keras": ("keras", "tensorflow"),
    "litert": ("ai_edge_litert.interpreter",),
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
}

RUNTIME_NAMES = tuple(_MODULES)

BATCHING_RUNTIMES = ("keras",)
"""Those that can compute several images at once without taking longer for a single one.

Whether they gain by it depends on the CPU: 23 % of its time on one with AMX, nothing on one with AVX2 only.

OpenVINO is not among them: compiled for any size of batch it takes a tenth longer for a single image in int8
than compiled for one, which is as much as a batch saves it.
"""


def import_library(runtime: str) -> None:
    """Import what ``create_runtime`` would, so that the time and memory of a model can be told from its library's.

    A library that is not installed is left for ``create_runtime`` to report.
    """
    for name in _LIBRARIES[_MODULES[runtime]]:
        with contextlib.suppress(ImportError):
            import_module(name)


def create_runtime(manifest: BundleManifest, directory: Path, threads: int, workers: int = 1) -> Runtime:
    """Load a bundle's weights into the runtime it was packaged for.

    Args:
        manifest: The bundle's, as ``read_manifest`` returned it (it has checked the weights).
        directory: The bundle's folder.
        threads: Threads that one prediction may use.
        workers: Predictions that will be computed side by side, each by a twin.

    Raises:
        RuntimeUnavailable: The runtime is not known, or its package is not installed.
        BundleError: The weights are not a model that this runtime can serve.
    """
    module = _MODULES.get(manifest.runtime)
    if module is None:
        raise RuntimeUnavailable(
            f"the runtime {manifest.runtime!r} is not known to this service. It has: {', '.join(RUNTIME_NAMES)}."
        )
    load: Callable[[BundleManifest, Path, int, int], Runtime] = import_module(f"{__name__}.{module}").load
    return load(manifest, directory, threads, workers)
