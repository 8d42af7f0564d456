"""From a Keras model to ONNX."""

from __future__ import annotations

import logging
from typing import Any

from foodbench.errors import RunFailed
from foodbench.keras_door import quietly, tf
from foodbench.packaging.conversion import one_line

__all__ = ["to_onnx"]

OPSET = 18
"""The highest that tf2onnx 1.17 writes."""


def to_onnx(model: Any) -> bytes:
    """Convert to ONNX in float32, for one image at a time.

    Args:
        model: From one scaled image to probabilities.

    Raises:
        ModuleNotFoundError: tf2onnx is not installed.
        RunFailed: The model has an operation that ONNX lacks.
    """
    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")]
    forward = tf.function(lambda image: model(image, training=False), input_signature=signature)
    with quietly():
        import tf2onnx

        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        try:
            converted, _ = tf2onnx.convert.from_function(forward, input_signature=signature, opset=OPSET)
        except Exception as error:
            raise RunFailed(f"tf2onnx refused the model: {one_line(error)}") from error
    written: bytes = converted.SerializeToString()
    return written
