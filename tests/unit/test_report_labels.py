import math

from hypothesis import given
from hypothesis import strategies as st

from foodbench.report.names import wrapped
from foodbench.report.plots.labels import Box, place_of

BOUNDS = Box(0, 0, 1000, 700)


def test_names_are_broken_behind_hyphens() -> None:
    assert wrapped("mobilenet-litert-single", 16) == "mobilenet-\nlitert-single"
    assert wrapped("short", 16) == "short"
    assert wrapped("mobilenetv2-0.35.litert.single", 16) == "mobilenetv2-\n0.35.litert.\nsingle"
    assert wrapped("abcdefghij", 4) == "abcd\nefgh\nij"


@given(
    st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-._/"), max_size=60),
    st.integers(4, 30),
)
def test_no_line_is_too_long_and_no_letter_is_lost(name: str, width: int) -> None:
    lines = wrapped(name, width).split("\n")
    assert all(len(line) <= width for line in lines)
    assert "".join(lines) == name


@given(st.lists(st.tuples(st.integers(150, 850), st.integers(150, 550)), min_size=1, max_size=8))
def test_few_names_never_overlap_one_another_or_a_point(points: list[tuple[int, int]]) -> None:
    taken = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    for point in points:
        box = place_of((float(point[0]), float(point[1])), (90.0, 14.0), taken, BOUNDS)
        assert all(box.overlap(other) == 0 for other in taken)
        assert math.isclose(box.outside(BOUNDS), 0, abs_tol=1e-6)
        taken.append(box)


def test_equal_points_get_different_places_near_them() -> None:
    taken: list[Box] = []
    for _ in range(6):
        taken.append(place_of((500.0, 350.0), (80.0, 14.0), taken, BOUNDS))
    assert len(set(taken)) == 6
    assert all(abs((box.left + box.right) / 2 - 500) < 150 for box in taken)


def test_a_name_at_the_edge_stays_within_the_plot() -> None:
    box = place_of((995.0, 695.0), (120.0, 30.0), [], BOUNDS)
    assert box.outside(BOUNDS) == 0


def test_a_name_without_a_free_place_is_still_placed() -> None:
    assert place_of((10.0, 10.0), (500.0, 500.0), [], Box(0, 0, 20, 20)).overlap(Box(0, 0, 2000, 2000)) > 0


def test_a_names_line_does_not_run_through_another_point() -> None:
    """Without other points the nearest free place is the one beyond; the first crowd leaves no nearer one."""
    other = Box(530, 345, 540, 355)
    crowd = [Box(380, 270, 495, 430), Box(480, 357, 640, 430), Box(480, 270, 640, 343), other]
    point = (500.0, 350.0)
    beyond = place_of(point, (40.0, 10.0), crowd, BOUNDS)
    clear = place_of(point, (40.0, 10.0), crowd, BOUNDS, markers=[other])
    assert other.crossed(point, beyond.nearest(point))
    assert not other.crossed(point, clear.nearest(point))
    assert all(clear.overlap(box) == 0 for box in crowd)
