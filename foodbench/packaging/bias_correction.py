"""Takes back what rounding a network's weights to integers shifts.

Rounding moves the mean of what each convolution answers, and the shifts add up from layer to layer. For
MobileNetV2 at width 0.35 that is nearly all that int8 loses: it has few weights, so their errors do not average out. The
idea is that of M. Nagel, M. van Baalen, T. Blankevoort and M. Welling, "Data-free quantization through weight
equalization and bias correction", ICCV 2019, section 4.2 (their empirical correction, appendix D): after every
BatchNorm layer of the network with rounded weights, from the first to the last, the mean over some training images
is made that of the network as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.keras_door import keras, tf

__all__ = ["correct_bias"]

LARGEST_INTEGER = 127
"""Of a weight in LiteRT: symmetric about 0."""


class _Listening(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Remembers the mean of each channel that it answered last."""

    def call(self, inputs: Any, **options: Any) -> Any:
        answered = super().call(inputs, **options)
        self.answered_mean = _mean_of_channels(answered)
        return answered


class _Correcting(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Moves its own offset so that the mean of each channel becomes the one wanted."""

    def call(self, inputs: Any, **options: Any) -> Any:
        answered = super().call(inputs, **options)
        wanted = getattr(self, "wanted_mean", None)
        if wanted is None or not self.center:
            return answered
        shift = wanted - _mean_of_channels(answered)
        self.beta.assign_add(shift)
        return answered + shift


def correct_bias(model: Any, images: npt.NDArray[np.float32]) -> bool:
    """Change the offsets of ``model`` to allow for what int8 weights with a scale per channel will shift.

    A network without BatchNorm stays as it is.

    Args:
        model: From scaled images to probabilities. It is meant for conversion only: until its weights are
            rounded, it answers worse than before.
        images: (n, size, size, 3), scaled; all are held in memory, layer by layer.

    Returns:
        Whether there was anything to correct.
    """
    listening, correcting = _copy(model, _Listening), _copy(model, _Correcting)
    listening(images, training=False)
    for layer in _layers(correcting):
        axes = _rounded_together(layer)
        if axes is not None:
            kernel, *others = layer.get_weights()
            layer.set_weights([_rounded(kernel, axes), *others])
    pairs = zip(_batch_norms(listening), _batch_norms(correcting), strict=True)
    for heard, layer in pairs:
        layer.wanted_mean = heard.answered_mean
    # Run eagerly, layer by layer: each layer's input has all corrections before it.
    correcting(images, training=False)
    corrected = _batch_norms(correcting)
    for layer, from_layer in zip(_batch_norms(model), corrected, strict=True):
        layer.set_weights(from_layer.get_weights())
    return bool(corrected)


def _copy(model: Any, batch_norm: type[Any]) -> Any:
    def copied(layer: Any) -> Any:
        kind = batch_norm if isinstance(layer, keras.layers.BatchNormalization) else type(layer)
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied, recursive=True)
    copy.set_weights(model.get_weights())
    # Some models that were saved take a list of one input; a bare input fits all of them.
    return keras.Model(copy.inputs[0], copy.outputs[0])


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _batch_norms(model: Any) -> list[Any]:
    return [layer for layer in _layers(model) if isinstance(layer, keras.layers.BatchNormalization)]


def _mean_of_channels(answered: Any) -> Any:
    return tf.reduce_mean(answered, axis=list(range(len(answered.shape) - 1)))


def _rounded_together(layer: Any) -> tuple[int, ...] | None:
    """Return the axes of a layer's kernel that share one scale; None where it has no kernel."""
    layers = keras.layers
    axes: dict[type[Any], tuple[int, ...]] = {
        layers.DepthwiseConv2D: (0, 1),
        layers.Conv2D: (0, 1, 2),
        layers.Dense: (0,),
    }
    return next((shared for kind, shared in axes.items() if isinstance(layer, kind)), None)


def _rounded(kernel: npt.NDArray[np.float32], axes: tuple[int, ...]) -> npt.NDArray[np.float32]:
    scale = np.abs(kernel).max(axis=axes, keepdims=True) / np.float32(LARGEST_INTEGER)
    scale[scale == 0] = 1
    rounded: npt.NDArray[np.float32] = (np.rint(kernel / scale) * scale).astype(np.float32)
    return rounded
