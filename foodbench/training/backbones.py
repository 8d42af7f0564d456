"""Builds a classifier from one of Keras' networks, or from a file of the user's own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foodbench.errors import InputError
from foodbench.keras_door import keras
from foodbench.records.experiments import ModelSpec, Recipe
from foodbench.records.models import ParameterCount
from foodbench.training.catalogue import Backbone, find_backbone
from foodbench.training.own_models import innermost_layers, load_own_model

__all__ = [
    "Classifier",
    "TrainedClassifier",
    "build_base",
    "build_classifier",
    "count_parameters",
    "take_own_file",
    "unfreeze_last",
]

FEW_STEPS_MOMENTUM = 0.9
"""Keras' networks average batch statistics over the last 100 to 1,000 steps, which suits ImageNet. From
random weights, on a small set, the average would still hold its initial value when training ends."""


@dataclass(frozen=True)
class Classifier:
    """A base without top, average pooling and a softmax head. All three models share their weights."""

    model: Any
    """From scaled images, float32 (n, size, size, 3), to probabilities (n, classes)."""
    features: Any
    """From scaled images to the base's pooled features (n, features)."""
    head: Any
    """From pooled features to probabilities."""
    base: Any
    base_input: Any
    """Symbolic: what ``model`` gives the base."""
    layers: tuple[Any, ...]
    """Of the base, as fine-tuning counts them."""


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier that needs no training."""

    model: Any
    """From scaled images, float32 (n, size, size, 3), to probabilities (n, classes)."""

    @property
    def base(self) -> Any:
        """The whole model: where its head begins is not known."""
        return self.model


def build_base(spec: ModelSpec) -> Any:
    """Build the network that ``spec`` (resolved) names, without top, with average pooling and random weights.

    Raises:
        InputError: It cannot be built at that size or width.
    """
    backbone = find_backbone(spec.backbone)
    options: dict[str, Any] = {} if spec.width is None else {"alpha": spec.width}
    if backbone.optional_preprocessing:
        options["include_preprocessing"] = False
    shape = (spec.input_size_px, spec.input_size_px, 3)
    build = getattr(keras.applications, backbone.name)
    try:
        return build(include_top=False, pooling="avg", weights=None, input_shape=shape, **options)
    except ValueError as error:
        raise InputError(f"model {spec.name}: {backbone.name} cannot be built so: {_first_line(error)}") from error


def take_own_file(spec: ModelSpec, classes: int, path: Path) -> Classifier | TrainedClassifier:
    """Take the Keras file that is the backbone of ``spec`` (resolved) as the base of a classifier, or as one.

    Fine-tuning counts the layers of a model within the base one by one.

    Raises:
        InputError: It cannot be read, or it is neither of both.
    """
    own = load_own_model(spec, classes, path)
    if own.is_classifier:
        return TrainedClassifier(own.model)
    return _with_head(spec, classes, own.model, None, tuple(innermost_layers(own.model.layers)))


def build_classifier(spec: ModelSpec, classes: int, weights: Path | None) -> Classifier:
    """Build the classifier that ``spec`` (resolved) names, on one of Keras' networks.

    A base with random weights gets BatchNorm layers that follow the data quickly. Every layer is trainable
    at first; a BatchNorm layer that is frozen runs in inference mode (Keras' rule).

    Args:
        spec: What to build.
        classes: Outputs of the head.
        weights: A file with the base's weights; None leaves them random.

    Raises:
        InputError: The base cannot be built so, or the file does not fit it.
    """
    base = build_base(spec)
    if weights is not None:
        _load_weights(base, weights, spec)
    else:
        for layer in _batch_norms(base.layers):
            layer.momentum = min(layer.momentum, FEW_STEPS_MOMENTUM)
    return _with_head(spec, classes, base, find_backbone(spec.backbone), tuple(base.layers))


def _with_head(
    spec: ModelSpec, classes: int, base: Any, backbone: Backbone | None, layers: tuple[Any, ...]
) -> Classifier:
    image = keras.Input((spec.input_size_px, spec.input_size_px, 3), name="image")
    adapted = _adapted(image, backbone)
    features = base(adapted)
    head = _head_layers(classes, spec.recipe)
    pooled = keras.Input(features.shape[1:], name="features")
    return Classifier(
        model=keras.Model(image, _through(head, features), name="classifier"),
        features=keras.Model(image, features, name="features"),
        head=keras.Model(pooled, _through(head, pooled), name="head"),
        base=base,
        base_input=adapted,
        layers=layers,
    )


def unfreeze_last(classifier: Classifier, layers: int) -> None:
    """Make the last ``layers`` layers of the base trainable, but for BatchNorm, and freeze the others."""
    classifier.base.trainable = True
    all_layers = classifier.layers
    for layer in all_layers[: max(0, len(all_layers) - layers)]:
        layer.trainable = False
    for layer in _batch_norms(all_layers):
        layer.trainable = False


def count_parameters(base: Any) -> ParameterCount:
    """Count the parameters of ``base`` as Keras' summary does while every layer is trainable."""
    base.trainable = True
    total = sum(math.prod(weight.shape) for weight in base.weights)
    trainable = sum(math.prod(weight.shape) for weight in base.trainable_weights)
    return ParameterCount(total=total, trainable=trainable, non_trainable=total - trainable)


def _adapted(image: Any, backbone: Backbone | None) -> Any:
    if backbone is None or backbone.adapter is None:
        return image
    return keras.layers.Rescaling(list(backbone.adapter.scale), list(backbone.adapter.offset), name="adapter")(image)


def _head_layers(classes: int, recipe: Recipe) -> list[Any]:
    dense = keras.layers.Dense(classes, activation="softmax", name="classes")
    if not recipe.dropout:
        return [dense]
    return [keras.layers.Dropout(recipe.dropout, seed=recipe.seed, name="dropout"), dense]


def _through(layers: Iterable[Any], tensor: Any) -> Any:
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def _batch_norms(layers: Iterable[Any]) -> list[Any]:
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def _load_weights(base: Any, path: Path, spec: ModelSpec) -> None:
    try:
        with warnings.catch_warnings():
            # Of layers that a file lacks Keras only warns, and leaves them at their random weights.
            warnings.simplefilter("error", UserWarning)
            base.load_weights(path)
    except (ValueError, OSError, KeyError, AttributeError, TypeError, UserWarning) as error:
        width = "" if spec.width is None else f" of width {spec.width:g}"
        raise InputError(
            f"model {spec.name}: {path} does not hold the weights of {spec.backbone}{width} without top: "
            f"{_first_line(error)}",
            "Give the file that belongs to this backbone",
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
