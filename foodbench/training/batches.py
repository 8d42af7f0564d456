"""Labelled examples in memory, and the batches that training takes from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.imaging import Scaling, scale
from foodbench.keras_door import tf
from foodbench.training.augmentation import Augmenter

__all__ = ["Examples", "as_it_is", "in_order", "scaled_images", "shuffled_for_ever"]

FloatArray = npt.NDArray[np.float32]
Batch = tuple[FloatArray, npt.NDArray[np.int64]]

BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Examples:
    """Examples as they lie in memory; a batch of them is made ready only when it is needed."""

    values: npt.NDArray[Any]
    """(n, ...): uint8 images, or float features; may be mapped from a file."""
    labels: npt.NDArray[np.int64]
    ready: Callable[[npt.NDArray[Any]], FloatArray]
    """From a batch of values to the model's input."""

    def __len__(self) -> int:
        return len(self.labels)


def scaled_images(pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], scaling: Scaling) -> Examples:
    """Return images that are scaled batch by batch: as float32 all of them would take four times the memory."""
    return Examples(pixels, labels, lambda batch: scale(batch, scaling))


def as_it_is(values: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.int64]) -> Examples:
    """Return examples whose values are the model's input already, in this or a shorter float."""
    return Examples(values, labels, lambda batch: batch.astype(np.float32, copy=False))


def shuffled_for_ever(
    draws: Sequence[Examples],
    batch_size: int,
    seed: Sequence[int],
    *,
    augment: Augmenter | None = None,
    epochs_done: int = 0,
) -> Any:
    """Return a tf.data pipeline of all epochs to come, one after the other without end.

    What an epoch gives depends on ``seed`` and its number alone: neither on the epochs before, nor on how
    many batches are made ready ahead.

    Args:
        draws: Versions of the same examples; an epoch takes one after the other, then the first again.
        batch_size: The last batch of an epoch may be smaller.
        seed: Decides the orders, and with the augmenter's own its changes.
        augment: Changes a batch of inputs at random.
        epochs_done: The first epoch is the one after.
    """

    def batches() -> Iterator[Batch]:
        for epoch in itertools.count(epochs_done + 1):
            examples = draws[(epoch - 1) % len(draws)]
            if augment is not None:
                augment.begin(*seed, epoch)
            order = np.random.default_rng([*seed, epoch]).permutation(len(examples))
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                inputs = examples.ready(examples.values[chosen])
                yield (inputs if augment is None else augment(inputs)), examples.labels[chosen]

    return _pipeline(draws[0], batches, tf.data.INFINITE_CARDINALITY).prefetch(BATCHES_AHEAD)


def in_order(examples: Examples, batch_size: int) -> Any:
    """Return a tf.data pipeline of one pass over ``examples``."""

    def batches() -> Iterator[Batch]:
        for start in range(0, len(examples), batch_size):
            chosen = slice(start, start + batch_size)
            yield examples.ready(examples.values[chosen]), examples.labels[chosen]

    return _pipeline(examples, batches, math.ceil(len(examples) / batch_size)).prefetch(BATCHES_AHEAD)


def _pipeline(examples: Examples, batches: Callable[[], Iterator[Batch]], cardinality: int) -> Any:
    signature = (
        tf.TensorSpec((None, *examples.values.shape[1:]), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    )
    pipeline = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return pipeline.apply(tf.data.experimental.assert_cardinality(cardinality))
