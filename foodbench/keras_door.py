"""The one door to TensorFlow and Keras: imported without their chatter, and run batch by batch.

Importing this module takes seconds and hundreds of megabytes: import it where it is used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.errors import MachineError
from foodbench.imaging import Scaling, scale

__all__ = ["inference_function", "keras", "outputs", "quietly", "tf"]

SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "ABSL_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
}

DEFAULTS = {
    # TensorFlow takes oneDNN's kernels by itself only on CPUs with AVX-512 VNNI or AMX. On an AMD EPYC with AVX2 they
    # trained MobileNetV2 1.8 times as fast, and computed it 1.5 times as fast.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
"""What a user may have set otherwise."""


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hold back what native code writes to standard error, and show it only if the block fails.

    TensorFlow's libraries write there before their log level takes effect, and its converter whatever
    the level is.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            file.seek(0)
            with open(2, "wb", closefd=False) as stderr:
                shutil.copyfileobj(file, stderr)
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _import() -> tuple[Any, Any]:
    os.environ.update(DEFAULTS | os.environ | SETTINGS)
    try:
        with quietly():
            import keras
            import tensorflow as tf
            from absl import logging
    except ModuleNotFoundError as error:
        raise MachineError(
            f"the Python package {error.name} is not installed", 'Install it by: pip install "foodbench[train]"'
        ) from error
    tf.get_logger().setLevel("ERROR")
    logging.set_verbosity(logging.ERROR)
    return keras, tf


keras, tf = _import()


def inference_function(model: Any) -> Callable[[Any], Any]:
    """Return what ``model`` answers in inference mode, as a function of a batch of float32 inputs.

    Its weights are constants from now on: TensorFlow then folds BatchNorm into the layer before it, which makes
    MobileNetV2 half as fast again.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec(model.input_shape, tf.float32)]
    traced = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
    frozen = convert_variables_to_constants_v2(traced.get_concrete_function())

    def answer(batch: Any) -> Any:
        (answers,) = frozen(tf.convert_to_tensor(batch))
        return answers

    return answer


def outputs(
    model: Any,
    pixels: npt.NDArray[np.uint8],
    scaling: Scaling,
    *,
    heard: Callable[[int], None] = lambda _done: None,
    batch_size: int = 32,
) -> npt.NDArray[np.float32]:
    """Return what ``model`` answers in inference mode.

    Args:
        model: A Keras model of scaled images.
        pixels: (n, size, size, 3).
        scaling: How pixels become the model's input.
        heard: Called with the number of images done, after every batch.
        batch_size: Images computed at once; it bounds the memory taken.

    Returns:
        (n, outputs).
    """
    forward = inference_function(model)
    answers = []
    for start in range(0, len(pixels), batch_size):
        answers.append(forward(scale(pixels[start : start + batch_size], scaling)).numpy())
        heard(min(start + batch_size, len(pixels)))
    return np.concatenate(answers)
