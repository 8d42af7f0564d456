from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.quantities import format_bytes, parse_bytes, parse_cores, parse_duration_s


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1.5m", 90), ("250ms", 0.25), (" 2 h ", 7200)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "30 Mi", "1e3s", "30s30s"])
def test_what_is_no_duration_says_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match='such as "30s"'):
        parse_duration_s(text)


@given(st.integers(min_value=1, max_value=10**6))
def test_millicores_are_thousandths_of_a_core(count: int) -> None:
    assert parse_cores(f"{count}m") == pytest.approx(count / 1000)
    assert parse_cores(str(count)) == count


@given(st.integers(min_value=1, max_value=10**6))
def test_binary_units_are_powers_of_1024(count: int) -> None:
    assert parse_bytes(f"{count}Gi") == 1024 * parse_bytes(f"{count}Mi") == 1024**2 * parse_bytes(f"{count}Ki")


def test_megabytes_are_not_mebibytes() -> None:
    assert parse_bytes("1M") == 10**6
    assert parse_bytes("1Mi") == 2**20


@pytest.mark.parametrize("text", ["512", "512MB", "lots", "-1Mi"])
def test_what_is_no_memory_says_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match='such as "512Mi"'):
        parse_bytes(text)


@pytest.mark.parametrize(("count", "text"), [(2**20, "1 MiB"), (300.4 * 2**20, "300 MiB"), (3 * 2**30, "3 GiB")])
def test_bytes_are_shown_to_three_digits(count: float, text: str) -> None:
    assert format_bytes(count) == text
