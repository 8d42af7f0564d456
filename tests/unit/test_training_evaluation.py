"""Accuracy, loss and confusion from probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.training.evaluation import evaluate

ANSWERED = st.integers(2, 6).flatmap(
    lambda classes: st.lists(
        st.tuples(
            st.integers(0, classes - 1), st.lists(st.floats(2**-7, 1, width=32), min_size=classes, max_size=classes)
        ),
        min_size=1,
        max_size=30,
    )
)


def test_figures_of_a_small_example() -> None:
    probabilities = np.array([[0.5, 0.5 - 1e-3], [0.25, 0.75], [0.9, 0.1]], np.float32)
    found = evaluate(probabilities, np.array([0, 1, 1]), "evaluation")
    assert (found.images, found.correct) == (3, 2)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.confusion == ((1, 0), (1, 1))
    assert found.loss == pytest.approx(-(math.log(0.5) + math.log(0.75) + math.log(0.1)) / 3, rel=1e-5)
    assert found.accuracy_low < found.accuracy < found.accuracy_high


def test_a_probability_of_nothing_costs_what_it_costs_in_keras() -> None:
    found = evaluate(np.array([[1.0, 0.0]], np.float32), np.array([1]), "evaluation")
    assert found.loss == pytest.approx(-math.log(1e-7))


@given(ANSWERED)
def test_confusion_holds_every_image_once(answered: list[tuple[int, list[float]]]) -> None:
    labels = np.array([label for label, _ in answered])
    probabilities = np.array([answer for _, answer in answered], np.float32)
    found = evaluate(probabilities, labels, "validation")
    confusion = np.array(found.confusion)
    assert confusion.sum() == found.images == len(answered)
    assert confusion.trace() == found.correct
    assert confusion.sum(axis=1).tolist() == np.bincount(labels, minlength=probabilities.shape[1]).tolist()


def test_calibration_of_a_small_example() -> None:
    # Two answers of 0.9 (one right), one of 0.55 (right): |0.5 - 0.9| x 2/3 + |1 - 0.55| x 1/3.
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.55, 0.45]], np.float32)
    found = evaluate(probabilities, np.array([0, 0, 0]), "evaluation").calibration
    assert found is not None
    assert found.expected_error == pytest.approx(0.8 / 3 + 0.15, abs=1e-6)
    assert [(place, one.images, one.accuracy) for place, one in enumerate(found.bins) if one.images] == [
        (8, 1, 1.0),
        (13, 2, 0.5),
    ]


@given(ANSWERED)
def test_every_image_is_in_one_bin_and_has_one_bit(answered: list[tuple[int, list[float]]]) -> None:
    labels = np.array([label for label, _ in answered])
    raw = np.array([answer for _, answer in answered], np.float32)
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    found = evaluate(probabilities, labels, "evaluation")
    assert found.calibration is not None
    assert sum(one.images for one in found.calibration.bins) == len(labels)
    for one in found.calibration.bins:
        # A hair of rounding: the mean of equal float32 numbers, compared as float64.
        assert one.confidence is None or one.low - 1e-6 < one.confidence <= one.high + 1e-6
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(found.right), np.uint8))[: len(labels)]
    assert (bits == (probabilities.argmax(axis=1) == labels)).all()


def test_sure_and_right_is_calibrated() -> None:
    found = evaluate(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.array([0, 1]), "evaluation")
    assert found.calibration is not None
    assert found.calibration.expected_error == 0
