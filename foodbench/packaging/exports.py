"""Which conversion makes the file of which runtime."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.errors import MachineError
from foodbench.packaging import conversion, conversion_onnx, conversion_openvino
from foodbench.records.names import Runtime

__all__ = ["WEIGHTS_FILES", "Calibration", "write_weights"]

Calibration = Callable[[], Iterable[npt.NDArray[np.float32]]]
"""Returns scaled images, (1, size, size, 3) each. Called only for an integer model."""

WEIGHTS_FILES: dict[Runtime, str] = {
    "keras": "model.keras",
    "litert": "model.tflite",
    "litert-f16": "model.tflite",
    "litert-int8": "model.tflite",
    "openvino-f32": "model.openvino.zip",
    "openvino-bf16": "model.openvino.zip",
    "openvino-int8": "model.openvino.zip",
    "onnx": "model.onnx",
}

CORRECTED_ON_EVERY = 3
"""Of the calibration images: 34 of 100 are enough for the mean of a channel, and fit into memory at once."""


def write_weights(runtime: Runtime, model: Any, keras_path: Path, weights: Path, calibration: Calibration) -> None:
    """Write the file that ``runtime`` loads.

    Args:
        runtime: What is to load it.
        model: The Keras model, from one scaled image to probabilities.
        keras_path: The file it was loaded from.
        weights: Where to write.
        calibration: Images that the ranges of an integer model are measured on.

    Raises:
        MachineError: The converter is not installed.
        RunFailed: The runtime lacks something that the model has.
    """
    if runtime == "keras":
        shutil.copyfile(keras_path, weights)
        return
    conversions: dict[Runtime, Callable[[], bytes]] = {
        "litert": lambda: conversion.to_litert(model),
        "litert-f16": lambda: conversion.to_litert_f16(model),
        "litert-int8": lambda: _litert_int8(keras_path, calibration),
        "openvino-f32": lambda: conversion_openvino.to_openvino(model),
        # The precision is the reader's choice: a CPU without bfloat16 computes the same file in float32.
        "openvino-bf16": lambda: conversion_openvino.to_openvino(model),
        "openvino-int8": lambda: _openvino_int8(keras_path, calibration),
        "onnx": lambda: conversion_onnx.to_onnx(model),
    }
    try:
        weights.write_bytes(conversions[runtime]())
    except ModuleNotFoundError as error:
        extra = runtime.partition("-")[0]
        raise MachineError(
            f"packaging for {runtime} needs the Python package {error.name}, which is not installed",
            f'Install it by: pip install "foodbench[{extra}]"',
        ) from error


def _litert_int8(keras_path: Path, calibration: Calibration) -> bytes:
    model, images, _ = _corrected(keras_path, calibration)
    return conversion.to_litert_int8(model, images)


def _openvino_int8(keras_path: Path, calibration: Calibration) -> bytes:
    model, images, corrected = _corrected(keras_path, calibration)
    # nncf's own correction would take ours back: it measures against the model that it is given.
    return conversion_openvino.to_openvino_int8(model, images, correct_bias=not corrected)


def _corrected(keras_path: Path, calibration: Calibration) -> tuple[Any, list[npt.NDArray[np.float32]], bool]:
    """Return a model of its own (the caller's is what the export will be compared with), ready to be rounded."""
    from foodbench.packaging.bias_correction import correct_bias

    model, images = conversion.load_model(keras_path), list(calibration())
    corrected = correct_bias(model, np.concatenate(images[::CORRECTED_ON_EVERY]))
    return model, images, corrected
