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
IndexArray = npt.NDArray[np.int64]
Batch = tuple[Any, ...]
"""Inputs and labels; for several replicas also weights, see ``_shared``."""

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
    replicas: int = 1,
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
        replicas: Share every batch; for several it has weights, under which its mean is that of its examples.
    """

    def drawn() -> Iterator[Batch]:
        for epoch in itertools.count(epochs_done + 1):
            examples = draws[(epoch - 1) % len(draws)]
            if augment is not None:
                augment.begin(*seed, epoch)
            order = np.random.default_rng([*seed, epoch]).permutation(len(examples))
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                shared = _shared(chosen, replicas)
                inputs = examples.ready(examples.values[shared])
                yield (
                    inputs if augment is None else augment(inputs),
                    examples.labels[shared],
                    *_weights(len(chosen), len(shared), len(shared) / len(chosen), replicas),
                )

    return _pipeline(draws[0], drawn, tf.data.INFINITE_CARDINALITY, replicas)


def in_order(examples: Examples, batch_size: int, *, replicas: int = 1) -> Any:
    """Return a tf.data pipeline of one pass over ``examples``.

    Args:
        examples: To go through.
        batch_size: The last batch may be smaller.
        replicas: Share every batch; for several it has weights, under which the mean of all batches, each
            counted by its length, is that of the examples.
    """
    sizes = [min(batch_size, len(examples) - start) for start in range(0, len(examples), batch_size)]
    weight = sum(_next_multiple(size, replicas) for size in sizes) / max(1, len(examples))

    def batches() -> Iterator[Batch]:
        for start in range(0, len(examples), batch_size):
            chosen = np.arange(start, min(start + batch_size, len(examples)))
            shared = _shared(chosen, replicas)
            weights = _weights(len(chosen), len(shared), weight, replicas)
            yield examples.ready(examples.values[shared]), examples.labels[shared], *weights

    return _pipeline(examples, batches, len(sizes), replicas)


def _next_multiple(size: int, replicas: int) -> int:
    return math.ceil(size / replicas) * replicas


def _shared(chosen: IndexArray, replicas: int) -> IndexArray:
    """Repeat examples until every replica gets as many: Keras takes the mean of the replicas' means.

    What is repeated weighs nothing in loss and metrics; BatchNorm in training mode sees images of the data set.
    """
    return np.resize(chosen, _next_multiple(len(chosen), replicas))


def _weights(examples: int, shared: int, weight: float, replicas: int) -> tuple[FloatArray, ...]:
    if replicas == 1:
        return ()
    return (np.where(np.arange(shared) < examples, weight, 0).astype(np.float32),)


def _pipeline(examples: Examples, batches: Callable[[], Iterator[Batch]], cardinality: int, replicas: int) -> Any:
    signature = [
        tf.TensorSpec((None, *examples.values.shape[1:]), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    ]
    if replicas > 1:
        signature.append(tf.TensorSpec((None,), tf.float32))
    # Every machine makes every batch, and trains its part of it.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    pipeline = tf.data.Dataset.from_generator(batches, output_signature=tuple(signature)).with_options(options)
    return pipeline.apply(tf.data.experimental.assert_cardinality(cardinality)).prefetch(BATCHES_AHEAD)
