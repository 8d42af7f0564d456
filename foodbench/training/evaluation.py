"""How right a model's probabilities are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foodbench.analysis.statistics import wilson_interval
from foodbench.records.datasets import Split
from foodbench.records.models import Calibration, Evaluation, ReliabilityBin

__all__ = ["evaluate"]

SMALLEST_PROBABILITY = 1e-7
"""A probability of 0 counts as this in the loss, as in Keras (keras.config.epsilon)."""

BINS = 15
"""Of the calibration error, as its authors chose."""


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
    right = predicted == labels
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
        calibration=_calibration(probabilities.max(axis=1).astype(np.float64), right),
        right=np.packbits(right).tobytes().hex(),
    )


def _calibration(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Calibration:
    """Return the expected calibration error over bins of equal width, and the bins.

    The definition of C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017, section 2, with their 15 bins: bin m holds the confidences in ((m - 1) / 15, m / 15].
    """
    edges = np.linspace(0, 1, BINS + 1)
    # A confidence is the largest of the probabilities, so above 0; rounding may put it a hair above 1.
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    bins, error = [], 0.0
    for number in range(BINS):
        inside = place == number
        images = int(inside.sum())
        mean_confidence = min(1.0, float(confidence[inside].mean())) if images else None
        accuracy = float(right[inside].mean()) if images else None
        if mean_confidence is not None and accuracy is not None:
            error += images / len(right) * abs(accuracy - mean_confidence)
        bins.append(
            ReliabilityBin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                images=images,
                confidence=mean_confidence,
                accuracy=accuracy,
            )
        )
    return Calibration(expected_error=error, bins=tuple(bins))
