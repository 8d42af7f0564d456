"""The laws that intervals, percentiles and sample counts obey."""

from __future__ import annotations

import doctest
import itertools
import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis import statistics
from foodbench.analysis.statistics import binomial_tail, percentile, samples_needed, wilson_interval

counts = st.integers(0, 5_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
confidences = st.floats(0.5, 0.999)
samples = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)
percents = st.floats(0, 100)


def test_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(statistics).attempted > 0
    assert doctest.testmod(statistics).failed == 0


@given(counts, confidences)
def test_wilson_holds_the_observed_share_and_stays_within_0_and_1(pair: tuple[int, int], confidence: float) -> None:
    correct, total = pair
    low, high = wilson_interval(correct, total, confidence)
    share = correct / total if total else 0.5
    assert 0 <= low <= share <= high <= 1
    assert low < high


@given(counts, confidences)
def test_wilson_of_the_wrong_answers_is_the_mirror_image(pair: tuple[int, int], confidence: float) -> None:
    correct, total = pair
    low, high = wilson_interval(correct, total, confidence)
    mirrored_low, mirrored_high = wilson_interval(total - correct, total, confidence)
    assert low == pytest.approx(1 - mirrored_high, abs=1e-12)
    assert high == pytest.approx(1 - mirrored_low, abs=1e-12)


@given(counts, confidences, confidences)
def test_wilson_is_wider_for_more_confidence(pair: tuple[int, int], one: float, other: float) -> None:
    correct, total = pair
    narrow = wilson_interval(correct, total, min(one, other))
    wide = wilson_interval(correct, total, max(one, other))
    assert wide[0] <= narrow[0]
    assert narrow[1] <= wide[1]


@given(counts.filter(lambda pair: pair[1] > 0), st.integers(2, 50))
def test_wilson_is_narrower_for_more_samples_of_the_same_share(pair: tuple[int, int], factor: int) -> None:
    correct, total = pair
    few, many = wilson_interval(correct, total), wilson_interval(correct * factor, total * factor)
    assert many[1] - many[0] < few[1] - few[0]


@given(counts.filter(lambda pair: pair[1] > 0), confidences)
def test_wilson_ends_solve_the_equation_they_come_from(pair: tuple[int, int], confidence: float) -> None:
    """Each end is the true share at which the observed share is just z standard errors away."""
    correct, total = pair
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    for end in wilson_interval(correct, total, confidence):
        distance, error = abs(correct / total - end), math.sqrt(end * (1 - end) / total)
        assert distance == pytest.approx(z * error, abs=1e-7)


def test_wilson_matches_published_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("correct", "total", "confidence"), [(-1, 5, 0.9), (6, 5, 0.9), (1, 5, 0.0), (1, 5, 1.0)])
def test_wilson_refuses_what_makes_no_sense(correct: int, total: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="Received"):
        wilson_interval(correct, total, confidence)


@given(samples, percents)
def test_percentile_is_the_smallest_sample_that_covers_its_share(values: list[float], percent: float) -> None:
    value = percentile(values, percent)
    assert value in values
    # A hair of slack, as the definition has it, for shares that floats cannot hold.
    assert sum(v <= value for v in values) >= percent * len(values) / 100 - 1e-9
    assert value == min(values) or sum(v < value for v in values) < percent * len(values) / 100


@given(samples, percents, percents)
def test_percentile_grows_with_percent(values: list[float], one: float, other: float) -> None:
    assert percentile(values, min(one, other)) <= percentile(values, max(one, other))


@given(samples, percents, st.randoms())
def test_percentile_ignores_the_order(values: list[float], percent: float, random: object) -> None:
    shuffled = values.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert percentile(shuffled, percent) == percentile(values, percent)


def test_percentile_takes_whole_ranks_exactly() -> None:
    values = [float(value) for value in range(1, 1001)]
    assert percentile(values, 99.9) == 999
    assert percentile(values, 0) == 1
    assert percentile(values, 100) == 1000
    assert percentile([1.0, 2.0, 3.0], 50) == 2


@pytest.mark.parametrize(("values", "percent"), [([], 50.0), ([1.0], -1.0), ([1.0], 100.5), ([1.0], math.nan)])
def test_percentile_refuses_what_makes_no_sense(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="Received"):
        percentile(values, percent)


@pytest.mark.parametrize(("percent", "samples"), [(90, 64), (95, 130), (99, 662), (99.9, 6636)])
def test_samples_needed_are_the_known_ones(percent: float, samples: int) -> None:
    assert samples_needed(percent) == samples


@given(st.floats(1, 99.9), confidences)
def test_samples_needed_is_the_smallest_number_that_is_enough(percent: float, confidence: float) -> None:
    def two_above(samples: int) -> float:
        below = percent / 100
        return 1 - sum(math.comb(samples, k) * (1 - below) ** k * below ** (samples - k) for k in (0, 1))

    needed = samples_needed(percent, confidence)
    assert two_above(needed) >= confidence - 1e-12
    assert needed == 2 or two_above(needed - 1) < confidence + 1e-12


@pytest.mark.parametrize(("percent", "confidence"), [(0, 0.99), (100, 0.99), (50, 0), (50, 1)])
def test_samples_needed_refuses_what_makes_no_sense(percent: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="Received"):
        samples_needed(percent, confidence)


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0, 1))
def test_a_binomial_tail_is_the_sum_of_its_terms(successes: int, trials: int, chance: float) -> None:
    terms = [
        math.comb(trials, number) * chance**number * (1 - chance) ** (trials - number)
        for number in range(successes, trials + 1)
    ]
    assert binomial_tail(successes, trials, chance) == pytest.approx(math.fsum(terms), rel=1e-6, abs=1e-12)


@given(st.integers(1, 10**6), st.floats(0.001, 0.999))
def test_a_binomial_tail_of_many_trials_is_a_probability_that_falls(trials: int, chance: float) -> None:
    middle = int(trials * chance)
    tails = [
        binomial_tail(successes, trials, chance) for successes in sorted({0, middle, middle + 1, trials, trials + 1})
    ]
    assert tails[0] == 1.0
    assert tails[-1] == 0.0
    assert all(0 <= later <= earlier + 1e-9 for earlier, later in itertools.pairwise(tails))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_trials_of_unequal_chances_exceed_their_mean_no_more_than_equal_ones(chances: list[float]) -> None:
    """Hoeffding (1956), which the rule for skewed connections rests on."""
    exact = [1.0]
    for chance in chances:
        exact = [a * (1 - chance) + b * chance for a, b in zip([*exact, 0.0], [0.0, *exact], strict=True)]
    mean = math.fsum(chances) / len(chances)
    for successes in range(math.ceil(len(chances) * mean + 1), len(chances) + 1):
        assert math.fsum(exact[successes:]) <= binomial_tail(successes, len(chances), mean) * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("trials", [(-1, 2, 0.5), (1, -2, 0.5), (1, 2, 1.5), (1, 2, math.nan)])
def test_trials_that_cannot_be_are_refused(trials: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="Received"):
        binomial_tail(*trials)
