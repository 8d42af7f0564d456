"""What a Keras file of the user's own is: a base to be trained, or a classifier that is taken as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.errors import InputError
from foodbench.imaging import Scaling, scale
from foodbench.keras_door import keras
from foodbench.records.experiments import ModelSpec
from foodbench.training.catalogue import scaling_of
from foodbench.training.keras_files import image_side_px, load_keras_file

__all__ = ["OwnModel", "innermost_layers", "load_own_model"]

SMALLEST_FACTOR = 0.1
"""A layer that makes its input smaller than this was meant for pixels of 0 to 255; scaled ones are 0 to 1, say."""

LARGEST_MEAN = 2.0
"""Of a Normalization layer that was meant for scaled pixels."""

SUM_TOLERANCE = 0.01
"""Of probabilities computed in half precision."""


@dataclass(frozen=True)
class OwnModel:
    """A model out of a file."""

    model: Any
    """From scaled images, float32 (n, size, size, 3), to features (n, features) or to probabilities (n, classes)."""
    is_classifier: bool


def load_own_model(spec: ModelSpec, classes: int, path: Path) -> OwnModel:
    """Load the file that is the backbone of ``spec`` and find out which of the two it is.

    A feature map (n, height, width, features) gets average pooling. Probabilities are told by trying: they are
    positive and add up to 1 for any image.

    Args:
        spec: Resolved.
        classes: Of the data set.
        path: The file.

    Raises:
        InputError: It cannot be read, or is neither; says what it takes or answers.
    """
    loaded = load_keras_file(path)
    _check_input(spec, loaded, path)
    answers = _try(loaded, spec.input_size_px, scaling_of(spec), path)
    if answers.ndim == 4:
        pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(loaded.outputs[0])
        return OwnModel(_functional(loaded, pooled), is_classifier=False)
    is_classifier = _check_answers(spec, answers, classes, path)
    return OwnModel(_functional(loaded, loaded.outputs[0]), is_classifier=is_classifier)


def innermost_layers(layers: Iterable[Any]) -> Iterator[Any]:
    """Yield layers in their order, those of a model within the model in its place."""
    for layer in layers:
        if isinstance(layer, keras.Model):
            yield from innermost_layers(layer.layers)
        else:
            yield layer


def _functional(loaded: Any, answer: Any) -> Any:
    # A Sequential model names no input among its layers, and any name could be that of another layer here.
    return keras.Model(loaded.inputs[0], answer, name="base")


def _check_input(spec: ModelSpec, loaded: Any, path: Path) -> None:
    side_px = image_side_px(loaded, path)
    if side_px != spec.input_size_px:
        raise InputError(
            f"model {spec.name}: {path} takes images of {side_px} px. Received: input_size_px = {spec.input_size_px}",
            f"Set input_size_px = {side_px}",
        )
    if loaded.inputs[0].dtype != "float32":
        raise InputError(
            f"model {spec.name}: {path} takes {loaded.inputs[0].dtype}; it should take scaled pixels, float32",
            "Save it with an input of float32, without preprocessing",
        )
    layer = _made_for_pixels(loaded)
    if layer is not None:
        raise InputError(
            f"model {spec.name}: {path} scales pixels of 0 to 255 itself (layer {layer.name}); it should take scaled "
            "pixels, and would scale them twice",
            'Save it without that layer, or with keras.layers.Rescaling(255) before it and scaling = "zero-to-one"',
        )


def _made_for_pixels(loaded: Any) -> Any | None:
    """Return the layer that first changes the scale of the input, where only pixels of 0 to 255 can be meant."""
    for layer in innermost_layers(loaded.layers):
        if isinstance(layer, keras.layers.Rescaling):
            return layer if np.max(np.abs(layer.scale)) < SMALLEST_FACTOR else None
        if isinstance(layer, keras.layers.Normalization):
            return layer if np.max(np.abs(np.asarray(layer.mean))) > LARGEST_MEAN else None
        if layer.weights:
            return None
    return None


def _try(loaded: Any, size_px: int, scaling: Scaling, path: Path) -> npt.NDArray[np.float32]:
    """Return what a model answers to two images of noise."""
    if not isinstance(loaded.output_shape, tuple) or len(loaded.output_shape) not in (2, 4):
        raise InputError(f"{path} answers {loaded.output_shape}", _WHAT_IT_SHOULD_ANSWER)
    pixels = np.random.default_rng(1).integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8)
    answers: npt.NDArray[np.float32] = loaded(scale(pixels, scaling), training=False).numpy().astype(np.float32)
    if not np.isfinite(answers).all():
        raise InputError(f"{path} answers numbers that are not finite", "Give a model whose weights are whole")
    return answers


_WHAT_IT_SHOULD_ANSWER = (
    "It should answer a feature map (n, height, width, features) or features (n, features), to be trained on, "
    "or a probability for each class of the data set, to be taken as it is"
)


def _check_answers(spec: ModelSpec, answers: npt.NDArray[np.float32], classes: int, path: Path) -> bool:
    """Return whether answers, (n, outputs), are probabilities of the data set's classes; False for features."""
    outputs = answers.shape[1]
    sums_to_one = np.allclose(answers.sum(axis=1), 1, atol=SUM_TOLERANCE)
    probabilities = bool(sums_to_one and answers.min() >= 0 and outputs > 1)
    if probabilities and outputs != classes:
        raise InputError(
            f"model {spec.name}: {path} answers probabilities of {outputs} classes; the data set has {classes}",
            "Give a classifier of these classes, or save the model without its top (include_top=False)",
        )
    if not probabilities and outputs in (1, classes):
        raise InputError(
            f"model {spec.name}: {path} answers {outputs} number{'s' * (outputs > 1)} for an image that are no "
            f"probabilities: not positive with a sum of 1; the data set has {classes} classes",
            "End it with a softmax to take it as a classifier, or save it without its top to train on its features",
        )
    return probabilities
