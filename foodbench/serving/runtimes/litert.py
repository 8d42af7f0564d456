"""LiteRT: .tflite models, float32, float16 weights, and full-integer int8."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench import imaging
from foodbench.serving.bundle import BundleError, BundleManifest
from foodbench.serving.runtimes.protocol import Runtime, RuntimeDescription, RuntimeUnavailable

__all__ = ["LiteRT", "Quantisation", "load"]


@dataclass(frozen=True)
class Quantisation:
    """How an integer tensor stands for real numbers: real = scale × (integer - zero point).

    The scheme of the LiteRT quantisation specification, with one scale for the whole tensor.
    """

    scale: float
    zero_point: int
    dtype: np.dtype[Any]

    def quantise(self, values: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Return the nearest integers, saturated at the type's bounds; same shape."""
        bounds = np.iinfo(self.dtype)
        # In place: every further array of an image's size costs as much as the arithmetic does.
        integers = values / np.float32(self.scale)
        np.rint(integers, out=integers)
        integers += np.float32(self.zero_point)
        np.clip(integers, bounds.min, bounds.max, out=integers)
        return integers.astype(self.dtype)

    def table(self, scaling: imaging.Scaling) -> bytes | None:
        """Return what becomes of each of a pixel's 256 values, None where that depends on its channel.

        Looked up, an image takes four fifths of the time of the arithmetic, and one call where that takes seven, each of
        which lets go of Python's global lock and waits for it again.
        """
        every_value = np.arange(256, dtype=np.uint8)[:, np.newaxis].repeat(3, axis=1)
        scaled = imaging.scale(every_value, scaling)
        if self.dtype.itemsize != 1 or not (scaled == scaled[:, :1]).all():
            return None
        return self.quantise(scaled[:, 0]).tobytes()

    def dequantise(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the real numbers; same shape."""
        return (values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


def load(manifest: BundleManifest, directory: Path, threads: int, _workers: int) -> Runtime:
    """Load a .tflite file.

    Raises:
        RuntimeUnavailable: LiteRT is not installed.
        BundleError: The file is no model, or its tensors do not fit the manifest.
    """
    return LiteRT(manifest, directory, threads)


class LiteRT:
    """A .tflite model in an interpreter of its own."""

    def __init__(self, manifest: BundleManifest, directory: Path, threads: int) -> None:
        self._origin = (manifest, directory, threads)
        self._interpreter = _interpreter(directory / manifest.weights_file, threads)
        (given, *more_given), (taken, *more_taken) = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        size = manifest.input_size_px
        if more_given or more_taken or list(given["shape"]) != [1, size, size, 3]:
            raise BundleError(
                f"the model {manifest.weights_file} takes {list(given['shape'])}; the manifest states "
                f"one image of {size}x{size} pixels. Package the model again."
            )
        if list(taken["shape"]) != [1, len(manifest.classes)]:
            raise BundleError(
                f"the model {manifest.weights_file} answers {list(taken['shape'])}; the manifest names "
                f"{len(manifest.classes)} classes. Package the model again."
            )
        self._input_index: int = given["index"]
        self._output_index: int = taken["index"]
        self._scaling = manifest.scaling
        self._input_quantisation = _quantisation(given)
        self._input_table = None if self._input_quantisation is None else self._input_quantisation.table(self._scaling)
        self._output_quantisation = _quantisation(taken)
        self._classes = len(manifest.classes)
        self.description = RuntimeDescription(
            name="litert",
            version=version("ai-edge-litert"),
            threads=threads,
            precision=_precision(self._interpreter.get_tensor_details()),
        )

    def predict(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the class probabilities of each image, shape (n, classes).

        Images go through one by one: on a CPU, LiteRT gains nothing from a larger batch.
        """
        probabilities = np.empty((len(batch), self._classes), np.float32)
        for row, pixels in zip(probabilities, batch, strict=True):
            self._interpreter.set_tensor(self._input_index, self._input(pixels[np.newaxis]))
            self._interpreter.invoke()
            answered = self._interpreter.get_tensor(self._output_index)[0]
            row[:] = answered if self._output_quantisation is None else self._output_quantisation.dequantise(answered)
        return probabilities

    def _input(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return what the model is given for an image; same shape."""
        if self._input_quantisation is None:
            return imaging.scale(pixels, self._scaling)
        if self._input_table is None:
            return self._input_quantisation.quantise(imaging.scale(pixels, self._scaling))
        looked_up = pixels.tobytes().translate(self._input_table)
        return np.frombuffer(looked_up, self._input_quantisation.dtype).reshape(pixels.shape)

    def twin(self) -> LiteRT:
        """Return another interpreter of the same file."""
        return LiteRT(*self._origin)


def _interpreter(path: Path, threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise RuntimeUnavailable("LiteRT is not installed. Install the package ai-edge-litert.") from None
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"LiteRT cannot load {path}: {reason}. Package the model again.") from None
    return interpreter


def _quantisation(tensor: dict[str, Any]) -> Quantisation | None:
    """Return a tensor's quantisation, None where it holds real numbers."""
    dtype = np.dtype(tensor["dtype"])
    if not np.issubdtype(dtype, np.integer):
        return None
    scale, zero_point = tensor["quantization"]
    return Quantisation(scale=float(scale), zero_point=int(zero_point), dtype=dtype)


def _precision(tensors: list[dict[str, Any]]) -> str:
    """Return what a model computes in, from the types of its tensors.

    Integer arithmetic has integer activations as well as weights, so most of its tensors are
    integers; otherwise weights are turned into float32 before they are used.
    """
    types = Counter(np.dtype(tensor["dtype"]).name for tensor in tensors if len(tensor["shape"]) > 1)
    name, _ = types.most_common(1)[0] if types else ("float32", 0)
    if name in {"int8", "uint8", "int16"}:
        return name
    stored = [other for other in ("float16", "int8") if types[other]]
    return f"float32, weights {stored[0]}" if stored else "float32"
