"""Keras on TensorFlow: the baseline the other runtimes are measured against."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench import imaging
from foodbench.serving.bundle import BundleError, BundleManifest
from foodbench.serving.runtimes.protocol import Runtime, RuntimeDescription, RuntimeUnavailable

__all__ = ["Keras", "load"]


def load(manifest: BundleManifest, directory: Path, threads: int, _workers: int) -> Runtime:
    """Load a .keras file, without running any code it may carry.

    Raises:
        RuntimeUnavailable: TensorFlow is not installed.
        BundleError: The file is no model, or does not fit the manifest.
    """
    # Read by TensorFlow when it is imported: no talk about absent GPUs, and none used.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        import keras
        import tensorflow as tf
    except ImportError:
        raise RuntimeUnavailable("TensorFlow is not installed. Install foodbench[train].") from None
    _set_threads(tf, threads)
    path = directory / manifest.weights_file
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"Keras cannot load {path}: {reason}. Package the model again.") from None
    size = manifest.input_size_px
    if model.input_shape[1:] != (size, size, 3) or model.output_shape[1:] != (len(manifest.classes),):
        raise BundleError(
            f"the model {path.name} takes {model.input_shape} and answers {model.output_shape}; the manifest states "
            f"{size}x{size} pixels and {len(manifest.classes)} classes. Package the model again."
        )
    return Keras(manifest, model, tf)


class Keras:
    """A Keras model as one traced function. Any number of threads may use it."""

    def __init__(self, manifest: BundleManifest, model: Any, tf: Any) -> None:
        self._scaling = manifest.scaling
        size = manifest.input_size_px

        @tf.function(input_signature=[tf.TensorSpec((None, size, size, 3), tf.float32)])  # type: ignore[untyped-decorator]
        def traced(images: Any) -> Any:
            return model(images, training=False)

        self._model = traced
        self._tf = tf
        self.description = RuntimeDescription(
            name="keras",
            version=f"tensorflow {tf.__version__}",
            threads=tf.config.threading.get_intra_op_parallelism_threads(),
            precision=str(model.compute_dtype),
        )

    def predict(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the class probabilities of each image, shape (n, classes)."""
        images = self._tf.constant(imaging.scale(batch, self._scaling))
        return np.asarray(self._model(images).numpy(), np.float32)

    def twin(self) -> Keras:
        """Return this one: TensorFlow's functions may be called from several threads."""
        return self


def _set_threads(tf: Any, threads: int) -> None:
    """Give one operation ``threads`` threads, unless TensorFlow already computes in this process."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        return
