"""How right a model's probabilities are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foodbench.analysis.statistics import wilson_interval
from foodbench.records.datasets import Split
from foodbench.records.models import Evaluation

__all__ = ["evaluate"]

SMALLEST_PROBABILITY = 1e-7
"""A probability of 0 counts as this in the loss, as in Keras (keras.config.epsilon)."""


def evaluate(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], split: Split) -> Evaluation:
    """Compare probabilities with the truth.

    Args:
        probabilities: (n, classes), n at least 1.
        labels: (n,), class ids.
        split: What the images are of.
    """
    images, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    correct = int(confusion.trace())
    low, high = wilson_interval(correct, images)
    of_the_truth = probabilities[np.arange(images), labels].astype(np.float64)
    return Evaluation(
        split=split,
        images=images,
        correct=correct,
        accuracy=correct / images,
        accuracy_low=low,
        accuracy_high=high,
        loss=float(-np.log(np.clip(of_the_truth, SMALLEST_PROBABILITY, 1)).mean()),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )
