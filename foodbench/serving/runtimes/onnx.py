"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench import imaging
from foodbench.serving.bundle import BundleError, BundleManifest
from foodbench.serving.runtimes.protocol import Runtime, RuntimeDescription, RuntimeUnavailable

__all__ = ["ONNX", "load"]

PRECISION_NAMES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}


def load(manifest: BundleManifest, directory: Path, threads: int, _workers: int) -> Runtime:
    """Load an .onnx file.

    Raises:
        RuntimeUnavailable: ONNX Runtime is not installed.
        BundleError: The file is no model, or does not fit the manifest.
    """
    try:
        import onnxruntime
    except ImportError:
        raise RuntimeUnavailable("ONNX Runtime is not installed. Install foodbench[onnx].") from None
    path = directory / manifest.weights_file
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait in a loop for work would take the CPU from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its exceptions have no common class of their own
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"ONNX Runtime cannot load {path}: {reason}. Package the model again.") from None
    _check_shapes(session, manifest)
    description = RuntimeDescription(
        name="onnxruntime",
        version=onnxruntime.__version__,
        threads=session.get_session_options().intra_op_num_threads,
        precision=_precision(session),
    )
    return ONNX(session, manifest, description)


class ONNX:
    """A session. Any number of threads may use it."""

    def __init__(self, session: Any, manifest: BundleManifest, description: RuntimeDescription) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._manifest = manifest
        self.description = description

    def predict(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the class probabilities of each image, shape (n, classes)."""
        probabilities = np.empty((len(batch), len(self._manifest.classes)), np.float32)
        for row, pixels in zip(probabilities, batch, strict=True):
            scaled = imaging.scale(pixels[np.newaxis], self._manifest.scaling)
            row[:] = self._session.run(None, {self._input: scaled})[0][0]
        return probabilities

    def twin(self) -> ONNX:
        """Return this one: a session may be run from several threads."""
        return self


def _check_shapes(session: Any, manifest: BundleManifest) -> None:
    given = [list(port.shape) for port in session.get_inputs()]
    taken = [list(port.shape) for port in session.get_outputs()]
    size, classes = manifest.input_size_px, len(manifest.classes)
    if given != [[1, size, size, 3]] or taken != [[1, classes]]:
        raise BundleError(
            f"the model {manifest.weights_file} takes {given} and answers {taken}; the manifest states one image of "
            f"{size}x{size} pixels and {classes} classes. Package the model again."
        )


def _precision(session: Any) -> str:
    """Return the type of what goes in and comes out: on a CPU, a session computes in the types its model states."""
    types = Counter(port.type for port in (*session.get_inputs(), *session.get_outputs()))
    name, _ = types.most_common(1)[0]
    return PRECISION_NAMES.get(str(name), str(name))
