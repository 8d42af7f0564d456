import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis.pareto import Better, dominates, front

coordinate = st.integers(-3, 3).map(float)
points = st.lists(st.tuples(coordinate, coordinate), max_size=12)
directions = st.tuples(st.sampled_from(["higher", "lower"]), st.sampled_from(["higher", "lower"]))


@given(points, directions)
def test_the_front_is_what_no_point_dominates(points: list[tuple[float, float]], better: tuple[Better, Better]) -> None:
    on = set(front(points, better))
    assert bool(on) == bool(points)
    for index, point in enumerate(points):
        beaten = any(dominates(other, point, better) for other in points)
        assert (index in on) != beaten
        if beaten:
            assert any(dominates(points[winner], point, better) for winner in on)


@given(points, directions)
def test_equal_points_stay_together(points: list[tuple[float, float]], better: tuple[Better, Better]) -> None:
    on = set(front(points, better))
    for index, point in enumerate(points):
        assert all((other in on) == (index in on) for other, its in enumerate(points) if its == point)


@given(points, directions, st.randoms())
def test_the_order_of_the_points_does_not_matter(
    points: list[tuple[float, float]], better: tuple[Better, Better], chance: random.Random
) -> None:
    mixed = sorted(points, key=lambda _: chance.random())
    assert {points[index] for index in front(points, better)} == {mixed[index] for index in front(mixed, better)}


def test_a_cheaper_and_more_accurate_point_beats_one_that_is_neither() -> None:
    memory_and_accuracy = [(288.0, 0.8378), (311.0, 0.7622), (3211.0, 0.8473), (5448.0, 0.8473)]
    assert front(memory_and_accuracy, ("lower", "higher")) == (0, 2)


def test_points_of_different_length_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        dominates((1.0,), (1.0, 2.0), ("lower", "lower"))
