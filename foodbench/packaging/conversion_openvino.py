"""From a Keras model to OpenVINO's format."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.errors import RunFailed
from foodbench.keras_door import quietly
from foodbench.packaging.conversion import one_line, saved_model
from foodbench.serving.runtimes.openvino import GRAPH_MEMBER, WEIGHTS_MEMBER

__all__ = ["to_openvino", "to_openvino_int8"]


def to_openvino(model: Any) -> bytes:
    """Convert to OpenVINO with weights in float32, for one image at a time.

    Args:
        model: From one scaled image to probabilities.

    Returns:
        A zip archive of the graph and its weights.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
        RunFailed: The model has an operation that OpenVINO lacks.
    """
    return _packed(_converted(model))


def to_openvino_int8(model: Any, calibration: Iterable[npt.NDArray[np.float32]], *, correct_bias: bool) -> bytes:
    """Convert to OpenVINO in integers, by nncf's quantisation after training.

    Args:
        model: From one scaled image to probabilities.
        calibration: Scaled images, (1, size, size, 3) each, that the ranges of activations are measured on.
        correct_bias: Whether nncf is to take back what rounding the weights shifts.

    Returns:
        A zip archive of the graph and its weights.

    Raises:
        ModuleNotFoundError: OpenVINO or nncf is not installed.
        RunFailed: The model has an operation that OpenVINO lacks.
    """
    converted = _converted(model)
    images = list(calibration)
    # nncf draws its progress on standard output, which is for results.
    with quietly(), contextlib.redirect_stdout(io.StringIO()):
        import nncf

        nncf.set_log_level(logging.ERROR)
        advanced = nncf.AdvancedQuantizationParameters(disable_bias_correction=not correct_bias)
        dataset = nncf.Dataset(images)
        return _packed(nncf.quantize(converted, dataset, subset_size=len(images), advanced_parameters=advanced))


def _converted(model: Any) -> Any:
    # OpenVINO and nncf report their use to their makers unless this package is absent; nobody here agreed to that.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with quietly(), tempfile.TemporaryDirectory() as directory:
        import openvino

        saved_model(model, directory)
        try:
            return openvino.convert_model(directory)
        except Exception as error:
            raise RunFailed(f"OpenVINO's converter refused the model: {one_line(error)}") from error


def _packed(converted: Any) -> bytes:
    import openvino

    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as directory:
        graph = Path(directory) / GRAPH_MEMBER
        # Left to its default it would store the weights in float16.
        openvino.save_model(converted, graph, compress_to_fp16=False)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name in (GRAPH_MEMBER, WEIGHTS_MEMBER):
                # Without the date that a file would bring, equal models give equal archives.
                archive.writestr(zipfile.ZipInfo(name), graph.with_name(name).read_bytes())
    return packed.getvalue()
