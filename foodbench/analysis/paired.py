"""Two classifiers judged on the same images: what one gains and loses against the other, and whether by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["PairedChange", "mcnemar_p", "paired_change"]


@dataclass(frozen=True)
class PairedChange:
    """How much more often than a first classifier a second one is right, on the same images."""

    images: int
    gained: int
    """Images that only the second has right."""
    lost: int
    """Images that only the first has right."""
    low: float
    high: float
    """Ends of the interval of ``value``."""
    p_value: float
    """How likely a change as large or larger is if both are right equally often (exact McNemar test)."""

    @property
    def value(self) -> float:
        """Accuracy of the second less that of the first."""
        return (self.gained - self.lost) / self.images


def paired_change(gained: int, lost: int, images: int, confidence: float = 0.95) -> PairedChange:
    """Return the change of accuracy between two classifiers with its interval and its test.

    Only the images that one has right and the other has wrong tell the two apart. The interval is the adjusted
    Wald interval of D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", Journal of Educational and Behavioral Statistics 37 (2012), 479-488.

    Args:
        gained: Images that only the second has right.
        lost: Images that only the first has right.
        images: All images; at least one.
        confidence: Of the interval, above 0 and below 1. Default: 0.95.

    Raises:
        ValueError: The counts make no sense.
    """
    if images < 1 or gained < 0 or lost < 0 or gained + lost > images:
        raise ValueError(f"gained + lost <= images must hold. Received: {gained=}, {lost=}, {images=}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    only_second, only_first = (gained + 1) / (images + 2), (lost + 1) / (images + 2)
    middle = only_second - only_first
    half_width = z * math.sqrt((only_second + only_first - middle**2) / (images + 2))
    low, high = max(-1.0, middle - half_width), min(1.0, middle + half_width)
    return PairedChange(images, gained, lost, low, high, mcnemar_p(gained, lost))


def mcnemar_p(gained: int, lost: int) -> float:
    """Return the two-sided p value of the exact McNemar test.

    Were both right equally often, each image that tells them apart would fall to either side like a fair coin.
    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947), 153-157; exact by the binomial distribution.

    Example:
        >>> mcnemar_p(0, 0), mcnemar_p(5, 5), mcnemar_p(0, 10)
        (1.0, 1.0, 0.001953125)
    """
    apart, fewer = gained + lost, min(gained, lost)
    at_most = sum(math.comb(apart, count) for count in range(fewer + 1))
    # Whole numbers until the last step: 2 to the power of thousands is no float.
    return min(1.0, 2 * at_most / (1 << apart))
