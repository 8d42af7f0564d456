"""From a run's numbers to a recommendation, by stated rules, and plainly none where they do not allow one.

A variant is *usable* where every repeat is valid and at least 99 % of its requests were answered. It is
*accurate enough* where its accuracy is at least the one wanted; where none is wanted, where its 95 %
interval overlaps that of the most accurate usable variant, so that the numbers do not tell the two apart.
An integer runtime counts only where it was measured on the very CPU. Among those that are all of it:

    cost         the least core-hours per million successful transactions (see ``cost.Cost.core_hours``)
    throughput   the most transactions per second
    balance      the highest geometric mean of cost, rate and response time, each relative to the best
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from foodbench.analysis.cost import cost_of
from foodbench.analysis.exports import why_not_known_here
from foodbench.analysis.variants import Accuracy, Measured, Spread, VariantFacts

__all__ = ["Advice", "Candidate", "Priority", "Recommendation", "advise", "candidate_of"]

Priority = Literal["cost", "throughput", "balance"]

LEAST_AVAILABILITY_PERCENT = 99.0


@dataclass(frozen=True)
class Candidate:
    """A measured variant and the figures it is ranked by: medians over its repeats, with their range."""

    facts: VariantFacts
    accuracy: Accuracy
    core_hours: Spread
    transactions_per_s: Spread
    response_time_s: Spread
    memory_bytes: Spread
    availability_percent: float
    """The least of its repeats."""

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.facts.name

    @property
    def usable(self) -> bool:
        """Whether its numbers may be compared and its answers relied on."""
        answered = self.availability_percent >= LEAST_AVAILABILITY_PERCENT
        return self.facts.validity.valid and answered and not self.unknown_here

    @property
    def unknown_here(self) -> str:
        """Why it must not be recommended for this CPU; empty where nothing speaks against it."""
        return why_not_known_here(self.facts.variant.runtime, self.facts.bundle, self.facts.host)


@dataclass(frozen=True)
class Recommendation:
    """What comes first by one priority."""

    priority: Priority
    variant: str
    reason: str
    doubts: tuple[str, ...]
    """What the numbers leave open about this choice."""


@dataclass(frozen=True)
class Advice:
    """What a run's numbers say about which variant to deploy."""

    reservations: tuple[str, ...]
    """Why no recommendation can be made; with any of these the rankings only describe the measurement."""
    recommendations: tuple[Recommendation, ...]
    left_out: tuple[str, ...] = ()
    """Measured variants that are not ranked although their numbers are valid, and why."""

    @property
    def firm(self) -> bool:
        """Whether the recommendations may be followed."""
        return not self.reservations and bool(self.recommendations)


def candidate_of(facts: VariantFacts) -> Candidate | None:
    """Return a variant's figures to rank by; None where one of them is missing."""
    accuracy = facts.accuracy
    core_hours = facts.spread(_core_hours)
    rate = facts.spread(lambda measured: measured.load.figures.transactions_per_s)
    response = facts.spread(lambda measured: measured.load.figures.response_time_s)
    memory = facts.spread(lambda measured: measured.resources.memory_total_mean_bytes)
    availability = facts.spread(lambda measured: measured.load.figures.availability_percent)
    if accuracy is None or core_hours is None or rate is None or response is None or not memory or not availability:
        return None
    return Candidate(facts, accuracy, core_hours, rate, response, memory, availability.low)


def _core_hours(measured: Measured) -> float | None:
    cost = cost_of(measured)
    return None if cost is None else cost.core_hours


def advise(variants: Sequence[VariantFacts], *, accuracy_wanted: float | None = None) -> Advice:
    """Rank the variants by each priority and say what speaks against following the ranking.

    Args:
        variants: All variants of a run.
        accuracy_wanted: Least evaluation accuracy, as a fraction. Default: as accurate as the best, as far as
            the numbers can tell.
    """
    measured = [candidate for facts in variants if (candidate := candidate_of(facts)) is not None]
    usable = [candidate for candidate in measured if candidate.usable]
    chosen = accurate_enough(usable, accuracy_wanted)
    reservations = _reservations(variants, usable, chosen, accuracy_wanted)
    left_out = tuple(f"{one.name}: {one.unknown_here}" for one in measured if one.unknown_here)
    if not chosen:
        return Advice(reservations, (), left_out)
    rankings = (_by_cost(chosen), _by_throughput(chosen), _by_balance(chosen))
    return Advice(reservations, rankings, left_out)


def accurate_enough(usable: Sequence[Candidate], wanted: float | None) -> list[Candidate]:
    """Return those whose accuracy is at least ``wanted``, or is not told apart from the best."""
    if not usable:
        return []
    if wanted is not None:
        return [candidate for candidate in usable if candidate.accuracy.value >= wanted]
    best = max(usable, key=lambda candidate: candidate.accuracy.value)
    return [candidate for candidate in usable if candidate.accuracy.overlaps(best.accuracy)]


def _reservations(
    variants: Sequence[VariantFacts], usable: Sequence[Candidate], chosen: Sequence[Candidate], wanted: float | None
) -> tuple[str, ...]:
    if not usable:
        return (_why_none(variants),)
    if not chosen:
        best = max(usable, key=lambda candidate: candidate.accuracy.value)
        return (f"no variant reaches the accuracy wanted, {wanted:g}: the best has {best.accuracy.value:.3f}",)
    texts = []
    if any(facts.model is not None and facts.model.dataset.synthetic for facts in variants):
        texts.append("accuracy was measured on synthetic images and says nothing about photographs")
    models = [candidate.facts.model for candidate in usable if candidate.facts.model is not None]
    random = dict.fromkeys(model.spec.name for model in models if model.weights.kind == "random")
    if random:
        texts.append(
            f"trained from random weights, so without the accuracy the architecture can reach: {', '.join(random)}"
        )
    if len(usable) == 1:
        texts.append(f"only one variant can be used, {usable[0].name}: there is nothing to compare it with")
    return tuple(texts)


def _why_none(variants: Sequence[VariantFacts]) -> str:
    if not any(facts.measured for facts in variants):
        return "no variant was measured"
    if not any(facts.validity.valid for facts in variants):
        return "no variant's numbers are valid"
    if any(one.unknown_here for facts in variants if (one := candidate_of(facts)) is not None):
        return "no variant that may be ranked is known on this CPU"
    return f"no valid variant answered {LEAST_AVAILABILITY_PERCENT:g} % of its requests"


def _by_cost(chosen: Sequence[Candidate]) -> Recommendation:
    first, *others = sorted(chosen, key=lambda candidate: candidate.core_hours.median)
    reason = f"{_short(first.core_hours.median)} core-hours per million transactions"
    if others:
        less = 1 - _ratio(first.core_hours.median, others[0].core_hours.median)
        reason += f", {100 * less:.0f} % less than {others[0].name}"
    return Recommendation("cost", first.name, reason, _doubts(first, others, lambda candidate: candidate.core_hours))


def _by_throughput(chosen: Sequence[Candidate]) -> Recommendation:
    first, *others = sorted(chosen, key=lambda candidate: -candidate.transactions_per_s.median)
    reason = f"{first.transactions_per_s.median:,.1f} transactions per second"
    if others:
        rates = first.transactions_per_s.median, others[0].transactions_per_s.median
        reason += f", {_more(*rates)} {others[0].name}"
    return Recommendation(
        "throughput", first.name, reason, _doubts(first, others, lambda candidate: candidate.transactions_per_s)
    )


def _by_balance(chosen: Sequence[Candidate]) -> Recommendation:
    cheapest = min(candidate.core_hours.median for candidate in chosen)
    fastest = max(candidate.transactions_per_s.median for candidate in chosen)
    quickest = min(candidate.response_time_s.median for candidate in chosen)

    def score(candidate: Candidate) -> float:
        shares = (
            cheapest / candidate.core_hours.median,
            candidate.transactions_per_s.median / fastest,
            _ratio(quickest, candidate.response_time_s.median),
        )
        return math.prod(shares) ** (1 / len(shares))

    first, *others = sorted(chosen, key=lambda candidate: -score(candidate))
    reason = f"{100 * score(first):.0f} % of the best in cost, rate and response time together"
    if others:
        reason += f"; next is {others[0].name} with {100 * score(others[0]):.0f} %"
    return Recommendation("balance", first.name, reason, _doubts(first, others, None))


def _doubts(
    first: Candidate, others: Sequence[Candidate], figure: Callable[[Candidate], Spread] | None
) -> tuple[str, ...]:
    """Return what stays open: repeats that overlap, no repeats at all, accuracies that do not differ for sure."""
    loss = first.facts.accuracy_loss
    doubts = [f"its runtime is {loss.remark}"] if loss is not None and loss.remark else []
    if not others:
        return tuple(doubts)
    if figure is not None:
        mine, its = figure(first), figure(others[0])
        if mine.repeats == 1 or its.repeats == 1:
            doubts.append("measured once each, so how much the figures vary by chance is not known")
        elif mine.low <= its.high and its.low <= mine.high:
            doubts.append(f"its repeats and those of {others[0].name} overlap")
    better = [other for other in others if other.accuracy.value > first.accuracy.value]
    if better:
        best = max(better, key=lambda other: other.accuracy.value)
        accuracies = f"{best.accuracy.value:.3f} against {first.accuracy.value:.3f}"
        told = "the intervals overlap" if best.accuracy.overlaps(first.accuracy) else "a real difference"
        doubts.append(f"{best.name} answers more images right, {accuracies} ({told})")
    return tuple(doubts)


def _more(larger: float, smaller: float) -> str:
    factor = _ratio(larger, smaller)
    return f"{factor:.1f} times that of" if factor >= 2 else f"{100 * (factor - 1):.0f} % more than"


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else 1.0


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
