"""From a Keras model file to the file a runtime takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.errors import RunFailed
from foodbench.keras_door import keras, quietly, tf

__all__ = ["load_model", "one_line", "saved_model", "to_litert", "to_litert_f16", "to_litert_int8"]


def load_model(path: Path) -> Any:
    """Load a model that foodbench trained, without running any code its file may carry.

    Raises:
        RunFailed: It is damaged.
    """
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFailed(f"Keras cannot read {path}: {one_line(error)}", "Delete its folder and train again") from error


def to_litert(model: Any) -> bytes:
    """Convert to LiteRT in float32, for one image at a time.

    A fixed batch of one and an open one measured alike (MobileNetV2, float32 and int8, within 4 %); the
    fixed one lets the runtime plan its memory when it loads.

    Args:
        model: From one scaled image to probabilities.

    Raises:
        RunFailed: It has an operation that LiteRT lacks.
    """
    return _convert(model, lambda _converter: None)


def to_litert_f16(model: Any) -> bytes:
    """Convert to LiteRT with weights stored in float16: half the size, computed in float32 on a CPU.

    Args:
        model: From one scaled image to probabilities.

    Raises:
        RunFailed: It has an operation that LiteRT lacks.
    """

    def set_halves(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    return _convert(model, set_halves)


def to_litert_int8(model: Any, calibration: Iterable[npt.NDArray[np.float32]]) -> bytes:
    """Convert to LiteRT in integers throughout: weights with a scale per channel, uint8 input and output.

    Args:
        model: From one scaled image to probabilities.
        calibration: Scaled images, (1, size, size, 3) each, that the ranges of activations are measured on.

    Raises:
        RunFailed: It has an operation that LiteRT lacks in integers.
    """
    images = list(calibration)

    def representative() -> Iterator[list[npt.NDArray[np.float32]]]:
        return ([image] for image in images)

    def set_integers(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8

    return _convert(model, set_integers)


def saved_model(model: Any, directory: str) -> None:
    """Write ``model`` as a TensorFlow saved model of one image at a time, which every converter reads.

    Args:
        model: From one scaled image to probabilities.
        directory: Where to.
    """
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda image: model(image, training=False),
        input_signature=[tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")],
    )
    archive.write_out(directory, verbose=False)


def _convert(model: Any, set_options: Callable[[Any], None]) -> bytes:
    with quietly(), tempfile.TemporaryDirectory() as directory:
        saved_model(model, directory)
        # By way of a saved model the weights become constants; straight from a function they would stay
        # variables, which LiteRT runs seven times slower.
        converter = tf.lite.TFLiteConverter.from_saved_model(directory)
        set_options(converter)
        try:
            converted: bytes = converter.convert()
        except Exception as error:
            raise RunFailed(f"LiteRT's converter refused the model: {one_line(error)}") from error
    return converted


def one_line(error: Exception) -> str:
    """Return a converter's message as one line of bounded length."""
    return " ".join(str(error).split())[:300]
