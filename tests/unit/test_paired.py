"""The laws of paired comparisons, against scipy-free references: enumeration and simulation of the definition."""

from __future__ import annotations

import doctest
import itertools
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis import paired
from foodbench.analysis.paired import mcnemar_p, paired_change

counts = st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(1, 3000))


def test_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(paired).attempted > 0
    assert doctest.testmod(paired).failed == 0


@pytest.mark.parametrize("apart", range(9))
def test_the_p_value_is_the_share_of_fair_coins_that_fall_as_unevenly(apart: int) -> None:
    throws = [sum(faces) for faces in itertools.product((0, 1), repeat=apart)]
    for gained in range(apart + 1):
        uneven = abs(2 * gained - apart)
        as_uneven = sum(abs(2 * heads - apart) >= uneven for heads in throws)
        assert mcnemar_p(gained, apart - gained) == pytest.approx(as_uneven / len(throws))


def test_thousands_of_images_are_no_trouble() -> None:
    assert mcnemar_p(5_000, 5_000) == 1.0
    assert mcnemar_p(0, 20_000) == 0.0
    assert mcnemar_p(49, 77) == pytest.approx(2 * sum(comb(126, k) for k in range(50)) / 2**126)


@given(counts)
def test_the_interval_holds_the_change_and_mirrors(numbers: tuple[int, int, int]) -> None:
    gained, lost, more = numbers
    images = gained + lost + more
    change, mirrored = paired_change(gained, lost, images), paired_change(lost, gained, images)
    assert -1 <= change.low < change.high <= 1
    assert change.low <= change.value <= change.high
    assert (change.low, change.high) == pytest.approx((-mirrored.high, -mirrored.low))
    assert change.p_value == mirrored.p_value


def test_a_known_interval() -> None:
    # 49 lost and 20 gained of 1,000: (21 - 50)/1002 -+ 1.96 x sqrt((71/1002 - 0.02894^2)/1002).
    change = paired_change(20, 49, 1000)
    assert (change.low, change.high) == pytest.approx((-0.04534, -0.01254), abs=5e-5)


def test_counts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="gained=3, lost=3, images=5"):
        paired_change(3, 3, 5)
