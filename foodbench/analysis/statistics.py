"""What can be said from so many samples: intervals, exact percentiles, and when there are too few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

__all__ = ["binomial_tail", "percentile", "samples_needed", "wilson_interval"]


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Unlike the textbook interval p ± z·√(p(1-p)/n) it stays within 0 and 1, and means something at 0 %,
    at 100 % and for few samples. Source: E. B. Wilson, "Probable inference, the law of succession, and
    statistical inference", JASA 22 (1927), 209-212; recommended over the textbook interval by Brown, Cai
    and DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16 (2001), 101-133.

    Args:
        correct: How many of ``total`` were right.
        total: How many there were; with none the interval is the whole of (0, 1).
        confidence: Of the interval, above 0 and below 1. Default: 0.95.

    Returns:
        Its lower and upper end, as fractions.

    Raises:
        ValueError: The counts or the confidence make no sense.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if not 0 <= correct <= total:
        raise ValueError(f"0 <= correct <= total must hold. Received: correct={correct}, total={total}")
    z = NormalDist().inv_cdf(0.5 + _checked_confidence(confidence) / 2)
    if total == 0:
        return 0.0, 1.0
    share = correct / total
    scale = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / scale
    half_width = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At the ends the formula gives exactly 0 or 1; rounding would miss them by a hair.
    low = 0.0 if correct == 0 else max(0.0, centre - half_width)
    high = 1.0 if correct == total else min(1.0, centre + half_width)
    return low, high


def binomial_tail(successes: int, trials: int, chance: float) -> float:
    """Return the probability of at least this many successes in independent trials.

    Args:
        successes: 0 or more.
        trials: How many there are.
        chance: Of success in each, from 0 to 1.

    Raises:
        ValueError: The numbers make no sense.

    Example:
        >>> binomial_tail(2, 2, 0.5)
        0.25
    """
    if successes < 0 or trials < 0 or not 0 <= chance <= 1:
        raise ValueError(f"no such trials. Received: successes={successes}, trials={trials}, chance={chance}")
    if successes == 0:
        return 1.0
    if successes > trials or chance == 0:
        return 0.0
    if chance == 1:
        return 1.0
    if successes <= trials * chance:
        # The longer tail is left to the shorter one, whose terms fall from the first on.
        return 1.0 - binomial_tail(trials - successes + 1, trials, 1 - chance)
    odds = chance / (1 - chance)
    logarithm = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    term = math.exp(logarithm + successes * math.log(chance) + (trials - successes) * math.log1p(-chance))
    total = 0.0
    for number in range(successes, trials + 1):
        total += term
        term *= odds * (trials - number) / (number + 1)
        if term < total * 1e-16:
            break
    return min(1.0, total)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return an exact percentile: the smallest sample that at least ``percent`` % of the samples do not exceed.

    This is the nearest-rank definition (type 1 of Hyndman and Fan, "Sample quantiles in statistical
    packages", The American Statistician 50 (1996), 361-365). Its value was really measured; nothing is
    interpolated or rounded.

    Args:
        values: The samples, in any order; at least one.
        percent: From 0 (the smallest sample) to 100 (the largest).

    Raises:
        ValueError: There are no samples, or ``percent`` is not within 0 and 100.
    """
    if len(values) == 0:
        raise ValueError("a percentile needs at least one sample. Received: none")
    if not 0 <= percent <= 100:
        raise ValueError(f"percent must be within 0 and 100. Received: {percent}")
    # Rounded, so that a share that floats cannot hold (99.9 percent of 1000) does not spill into the next rank.
    rank = max(1, math.ceil(round(percent * len(values) / 100, 9)))
    return float(sorted(values)[rank - 1])


def samples_needed(percent: float, confidence: float = 0.99) -> int:
    """Return how many samples a percentile needs before it may be shown.

    With n independent samples the number that lie above the true percentile is binomial with probability
    1 - percent/100. Enough is the smallest n for which two or more lie above it with ``confidence``: then
    the second largest sample bounds the percentile from above, and one request is still over the bound, so
    no single outlier decides what is shown. That is the distribution-free bound of a quantile by an order
    statistic (H. A. David and H. N. Nagaraja, "Order Statistics", 3rd edition 2003, section 7.1).

    Args:
        percent: The percentile, above 0 and below 100.
        confidence: Above 0 and below 1. Default: 0.99.

    Raises:
        ValueError: ``percent`` or ``confidence`` is out of its range.

    Example:
        >>> [samples_needed(percent) for percent in (90, 95, 99, 99.9)]
        [64, 130, 662, 6636]
    """
    if not 0 < percent < 100:
        raise ValueError(f"percent must be above 0 and below 100. Received: {percent}")
    risk = 1 - _checked_confidence(confidence)
    below = percent / 100
    enough = 2
    while _at_most_one_above(enough, below) > risk:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if _at_most_one_above(middle, below) > risk:
            too_few = middle
        else:
            enough = middle
    return enough


def _at_most_one_above(samples: int, below: float) -> float:
    return below**samples + samples * (1 - below) * below ** (samples - 1)


def _checked_confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be above 0 and below 1. Received: {confidence}")
    return confidence
