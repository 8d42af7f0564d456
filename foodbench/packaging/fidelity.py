"""How far a packaged model's answers are from the Keras model's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foodbench.analysis.statistics import wilson_interval
from foodbench.records.bundles import Fidelity

__all__ = ["compare"]


def compare(
    reference: npt.NDArray[np.float32], answers: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> Fidelity:
    """Compare a packaged model's probabilities with the Keras model's, and with the truth.

    Args:
        reference: (n, classes), the Keras model's.
        answers: (n, classes), the packaged model's on the same images.
        labels: (n,), class ids.
    """
    predicted, expected = answers.argmax(axis=1), reference.argmax(axis=1)
    right, keras_right = predicted == labels, expected == labels
    correct = int(right.sum())
    low, high = wilson_interval(correct, len(labels))
    return Fidelity(
        images=len(labels),
        agreement=float((predicted == expected).mean()),
        largest_probability_difference=float(np.abs(answers - reference).max()),
        accuracy=correct / len(labels),
        accuracy_low=low,
        accuracy_high=high,
        gained=int((right & ~keras_right).sum()),
        lost=int((~right & keras_right).sum()),
    )
