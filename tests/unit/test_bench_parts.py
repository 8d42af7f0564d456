"""The parts of the bench that can be wrong without anyone noticing: verdicts, medians, photographs."""

from __future__ import annotations

import io

import pytest
from bench.clients import Answered
from bench.overload import cpu_of_a_refusal_s, settled_after_s
from bench.photographs import LARGE_PX, SMALL_PX, photograph
from bench.tables import Goal, Table, in_points, median_of
from PIL import Image


@pytest.mark.parametrize(
    ("goal", "value", "told"),
    [
        (Goal(least=10, unit="x"), 10.0, "10x (at least 10: met)"),
        (Goal(least=10, unit="x"), 9.95, "9.95x (at least 10: MISSED)"),
        (Goal(most=0.125), 0.125, "0.125 (at most 0.125: met)"),
        (Goal(most=0.125), 0.13, "0.13 (at most 0.125: MISSED)"),
        (Goal(least=1, most=2), 3.0, "3 (at least 1 and at most 2: MISSED)"),
        (Goal(most=2), float("inf"), "inf (at most 2: MISSED)"),
        (Goal(unit=" ms"), 3.0, "3 ms"),
    ],
)
def test_a_goal_is_met_at_its_bound_and_missed_beyond(goal: Goal, value: float, told: str) -> None:
    assert goal.verdict(value) == told


def test_a_table_is_markdown_with_aligned_columns() -> None:
    lines = Table("Figures", ("Name", "Value"), (("a long name", "1"), ("b", "22.5"))).markdown().splitlines()
    assert lines[0] == "### Figures"
    assert len({len(line) for line in lines[2:]}) == 1
    assert [cell.strip() for cell in lines[-1].strip("|").split("|")] == ["b", "22.5"]


def test_a_median_is_of_one_figure() -> None:
    assert median_of([(1, 9.0), (2, 3.0), (3, 4.0)], lambda pair: pair[1]) == 4.0


def test_differences_are_told_in_points_with_the_error_of_their_mean() -> None:
    assert in_points([0.012]) == "+1.20"
    assert in_points([-0.01, -0.01, -0.01]) == "-1.00 (0.00)"
    assert in_points([0.00, 0.02]) == "+1.00 (1.00)"


@pytest.mark.parametrize(("side_px", "least", "most"), [(LARGE_PX, 430_000, 460_000), (SMALL_PX, 16_000, 20_000)])
def test_a_photograph_is_as_large_as_a_cameras(side_px: int, least: int, most: int) -> None:
    drawn = photograph(side_px)
    assert least < len(drawn) < most
    with Image.open(io.BytesIO(drawn)) as image:
        assert (image.format, image.size) == ("JPEG", (side_px, side_px))


def test_equal_seeds_draw_equal_photographs() -> None:
    assert photograph(64, seed=3) == photograph(64, seed=3) != photograph(64, seed=4)


def test_the_service_has_settled_with_the_first_answer_in_the_usual_time() -> None:
    after = [Answered(5.0, 503, 0.001), Answered(6.0, 200, 1.0), Answered(7.0, 200, 0.1), Answered(8.0, 200, 0.3)]
    assert settled_after_s(5.0, after, usual_s=0.1) == pytest.approx(2.1)
    assert settled_after_s(5.0, after[:2], usual_s=0.1) == float("inf")


def test_a_refusals_cost_leaves_out_what_was_admitted() -> None:
    assert cpu_of_a_refusal_s(of_admitted_s=0.002, of_all_s=0.5, admitted=100, refused=1000) == pytest.approx(0.0003)
