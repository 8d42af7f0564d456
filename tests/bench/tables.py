"""Results as Markdown tables, with the goal beside each figure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Goal", "Table", "in_points", "mebibytes", "median_of"]

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Goal:
    """What a figure should be."""

    least: float | None = None
    most: float | None = None
    unit: str = ""

    def verdict(self, value: float) -> str:
        """Return the value with the goal and whether it is met."""
        met = (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
        bounds = [
            f"{name} {bound:g}"
            for name, bound in (("at least", self.least), ("at most", self.most))
            if bound is not None
        ]
        told = f"{value:.3g}{self.unit}"
        return f"{told} ({' and '.join(bounds)}: {'met' if met else 'MISSED'})" if bounds else told


@dataclass(frozen=True)
class Table:
    """Rows of text under a heading."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return it as GitHub's Markdown, its columns aligned."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.columns))]
        told = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        return "\n".join([f"### {self.title}", "", told[0], rule, *told[1:], ""])


def median_of(measured: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    """Return the median of one figure of several measurements."""
    return statistics.median(figure(one) for one in measured)


def mebibytes(size: float) -> str:
    """Return bytes as MiB, without decimals."""
    return f"{size / 2**20:.0f}"


def in_points(differences: Sequence[float]) -> str:
    """Return the mean of paired differences of accuracy in points, with its standard error where there are several."""
    mean = f"{100 * statistics.mean(differences):+.2f}"
    if len(differences) == 1:
        return mean
    return f"{mean} ({100 * statistics.stdev(differences) / len(differences) ** 0.5:.2f})"
