"""OpenVINO on the CPU: float32, bfloat16 and int8, each only where it is asked for.

Left alone, OpenVINO takes bfloat16 on a CPU that has it, without saying so.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench import imaging
from foodbench.serving.bundle import BundleError, BundleManifest
from foodbench.serving.runtimes.protocol import Runtime, RuntimeDescription, RuntimeUnavailable

__all__ = ["GRAPH_MEMBER", "WEIGHTS_MEMBER", "OpenVINO", "load"]

GRAPH_MEMBER = "model.xml"
WEIGHTS_MEMBER = "model.bin"
"""OpenVINO writes a model as two files; a bundle holds them in one zip archive, under one checksum."""

FLOAT_PRECISIONS = {"openvino-f32": "f32", "openvino-bf16": "bf16", "openvino-int8": "f32"}
"""What is asked for where the model has real numbers; integers in it stay integers."""

PRECISION_NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "i8": "int8", "u8": "int8"}
"""OpenVINO names a layer by the type of its input, which is unsigned after a ReLU."""

MULTIPLYING_LAYERS = frozenset({"Convolution", "Deconvolution", "FullyConnected", "MatMul", "GroupConvolution"})
"""Where nearly all of a network's time goes; OpenVINO's names of them."""


def load(manifest: BundleManifest, directory: Path, threads: int, workers: int) -> Runtime:
    """Load a model in OpenVINO's own format.

    Raises:
        RuntimeUnavailable: OpenVINO is not installed.
        BundleError: The file is no model, or does not fit the manifest.
    """
    try:
        import openvino
    except ImportError:
        raise RuntimeUnavailable("OpenVINO is not installed. Install foodbench[openvino].") from None
    path = directory / manifest.weights_file
    settings = {
        "INFERENCE_PRECISION_HINT": FLOAT_PRECISIONS[manifest.runtime],
        "INFERENCE_NUM_THREADS": threads * workers,
        # One stream a worker: streams share the weights, and do not stand in each other's way as separately
        # compiled models do (MobileNetV2 int8, two workers on two cores: 778 against 329 predictions/s).
        "NUM_STREAMS": workers,
    }
    try:
        with zipfile.ZipFile(path) as archive:
            graph, weights = archive.read(GRAPH_MEMBER), archive.read(WEIGHTS_MEMBER)
        compiled = openvino.Core().compile_model(openvino.Core().read_model(graph, weights), "CPU", settings)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"OpenVINO cannot load {path}: {reason}. Package the model again.") from None
    _check_shapes(compiled, manifest)
    description = RuntimeDescription(
        name="openvino",
        version=openvino.__version__.split("-")[0],
        threads=int(compiled.get_property("INFERENCE_NUM_THREADS")) // int(compiled.get_property("NUM_STREAMS")),
        precision=_precision(compiled),
    )
    return OpenVINO(compiled, manifest, description)


class OpenVINO:
    """A compiled model and a request of its own."""

    def __init__(self, compiled: Any, manifest: BundleManifest, description: RuntimeDescription) -> None:
        self._compiled = compiled
        self._request = compiled.create_infer_request()
        self._manifest = manifest
        self.description = description

    def predict(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the class probabilities of each image, shape (n, classes)."""
        probabilities = np.empty((len(batch), len(self._manifest.classes)), np.float32)
        for row, pixels in zip(probabilities, batch, strict=True):
            scaled = imaging.scale(pixels[np.newaxis], self._manifest.scaling)
            row[:] = self._request.infer([scaled], share_inputs=True, share_outputs=True)[0][0]
        return probabilities

    def twin(self) -> OpenVINO:
        """Return another request to the same compiled model."""
        return OpenVINO(self._compiled, self._manifest, self.description)


def _check_shapes(compiled: Any, manifest: BundleManifest) -> None:
    given = [list(port.partial_shape.get_max_shape()) for port in compiled.inputs]
    taken = [list(port.partial_shape.get_max_shape()) for port in compiled.outputs]
    size, classes = manifest.input_size_px, len(manifest.classes)
    if given != [[1, size, size, 3]] or taken != [[1, classes]]:
        raise BundleError(
            f"the model {manifest.weights_file} takes {given} and answers {taken}; the manifest states one image of "
            f"{size}x{size} pixels and {classes} classes. Package the model again."
        )


def _precision(compiled: Any) -> str:
    """Return what the layers that multiply really compute in, read from the graph as it is executed."""
    types: Counter[str] = Counter()
    for layer in compiled.get_runtime_model().get_ops():
        facts = layer.get_rt_info()
        if facts["layerType"].astype(str) in MULTIPLYING_LAYERS:
            name = facts["runtimePrecision"].astype(str)
            types[PRECISION_NAMES.get(name, name)] += 1
    if not types:
        return "unknown"
    (most, _), *others = types.most_common()
    rest = ", ".join(f"{count} of {types.total()} layers {name}" for name, count in others)
    return f"{most}, {rest}" if rest else most
