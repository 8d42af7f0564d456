"""Cuts a classifier in two where its graph is one tensor wide, so that frozen layers are computed once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from foodbench.keras_door import keras
from foodbench.training.backbones import Classifier

__all__ = ["Cut", "cut_before_last"]


@dataclass(frozen=True)
class Cut:
    """Two parts that share the classifier's layers: ``model(front(images))`` is the classifier's answer."""

    front: Any
    """From scaled images to the one tensor between the parts."""
    features: Any
    """From that tensor to the base's pooled features."""
    model: Any
    """From that tensor to probabilities."""


def cut_before_last(classifier: Classifier, layers: int) -> Cut | None:
    """Cut where none of the base's last ``layers`` layers is in front, and as many others as possible are.

    None where there is no such place, or where it cannot be seen: what goes into and out of a model within the
    base, or of a layer that is used twice, is not all told by its layers.
    The parts belong to the classifier's tf.distribute strategy.
    """
    with classifier.model.distribute_strategy.scope():
        return _cut(classifier, layers)


def _cut(classifier: Classifier, layers: int) -> Cut | None:
    base = classifier.base
    if not _tells_its_tensors(base):
        return None
    tensor = _narrowest(base.layers, max(0, len(base.layers) - layers))
    if tensor is None:
        return None
    between = keras.Input(tensor.shape[1:], name="between")
    features = keras.Model(tensor, base.outputs[0])(between)
    return Cut(
        front=keras.Model(classifier.model.inputs[0], keras.Model(base.inputs[0], tensor)(classifier.base_input)),
        features=keras.Model(between, features),
        model=keras.Model(between, classifier.head(features)),
    )


def _narrowest(layers: list[Any], most: int) -> Any | None:
    """Return the tensor that alone connects the first layers, at most ``most``, to the others.

    Args:
        layers: Each after all that it takes its input from, which is the order in which Keras lists them.
        most: How many may come before the tensor.
    """
    for end in range(most, 1, -1):
        made = {id(tensor) for layer in layers[:end] for tensor in _tensors(layer.output)}
        taken = {id(tensor): tensor for layer in layers[end:] for tensor in _tensors(layer.input)}
        crossing = [tensor for key, tensor in taken.items() if key in made]
        if len(crossing) == 1:
            return crossing[0]
    return None


def _tells_its_tensors(base: Any) -> bool:
    made = {id(tensor) for layer in base.layers for tensor in _tensors(layer.output)}
    taken = {id(tensor) for layer in base.layers for tensor in _tensors(layer.input)}
    return taken <= made and id(base.outputs[0]) in made


def _tensors(one_or_several: Any) -> Iterable[Any]:
    return one_or_several if isinstance(one_or_several, list | tuple) else [one_or_several]
