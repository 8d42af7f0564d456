"""Pros, cons and best use of each variant, by stated rules over the numbers of its run.

A figure is a pro where it is the best of all measured variants or within ``CLOSE`` of it, and a con where
it is at least ``FAR`` times worse than the best. Accuracy is a pro where its interval overlaps that of the
most accurate, and a con where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foodbench.analysis.advice import LEAST_AVAILABILITY_PERCENT, Advice, Candidate, Priority, candidate_of
from foodbench.analysis.diagnosis import explain
from foodbench.analysis.pareto import Better, dominates
from foodbench.analysis.variants import VariantFacts

__all__ = ["Verdict", "verdicts"]

CLOSE = 0.05
FAR = 2.0

MIB = 2**20


@dataclass(frozen=True)
class Verdict:
    """What the numbers say for and against one variant."""

    variant: str
    pros: tuple[str, ...]
    cons: tuple[str, ...]
    best_use: str


@dataclass(frozen=True)
class _Trait:
    """A figure of which less is better."""

    name: str
    of: Callable[[Candidate], float]
    shown: Callable[[Candidate], str]


TRAITS = (
    _Trait(
        "memory under load",
        lambda one: one.memory_bytes.median,
        lambda one: f"{one.memory_bytes.median / MIB:,.0f} MiB in all",
    ),
    _Trait(
        "transaction rate",
        lambda one: 1 / max(one.transactions_per_s.median, 1e-9),
        lambda one: f"{one.transactions_per_s.median:,.1f}/s",
    ),
    _Trait(
        "response time",
        lambda one: one.response_time_s.median,
        lambda one: f"{one.response_time_s.median:.3g} s",
    ),
    _Trait(
        "cost",
        lambda one: one.core_hours.median,
        lambda one: f"{one.core_hours.median:,.3g} core-hours per million",
    ),
)


def verdicts(variants: Sequence[VariantFacts], advice: Advice) -> tuple[Verdict, ...]:
    """Return a verdict for each variant, in their order."""
    candidates = [candidate for facts in variants if (candidate := candidate_of(facts)) is not None]
    return tuple(_verdict(facts, candidates, advice) for facts in variants)


def _verdict(facts: VariantFacts, candidates: Sequence[Candidate], advice: Advice) -> Verdict:
    own = next((candidate for candidate in candidates if candidate.name == facts.name), None)
    if own is None:
        cause = facts.cells[0].failure if facts.cells else facts.validity.cause
        return Verdict(facts.name, (), (f"not measured: {cause}",), "None: there are no figures")
    others = [candidate for candidate in candidates if candidate is not own]
    pros, cons = _accuracy(own, candidates)
    for trait in TRAITS if others else ():
        best = min(trait.of(candidate) for candidate in candidates)
        ratio = trait.of(own) / best if best > 0 else 1.0
        if ratio <= 1 + CLOSE:
            pros.append(f"{_rank(ratio)} {trait.name}: {trait.shown(own)}")
        elif ratio >= FAR:
            cons.append(f"{trait.name}: {trait.shown(own)}, {ratio:.1f} times worse than the best")
    if own.availability_percent < LEAST_AVAILABILITY_PERCENT:
        told = next((text for measured in facts.measured if (text := explain(measured.cell))), "no cause recorded")
        cons.insert(0, f"only {own.availability_percent:.2f} % of its requests were answered: {told}")
    if facts.accuracy_loss is not None and facts.accuracy_loss.remark:
        cons.append(facts.accuracy_loss.remark)
    if own.unknown_here:
        cons.append(own.unknown_here)
    if not facts.validity.valid:
        cons.append(f"its numbers are not valid: {facts.validity.cause}")
    return Verdict(facts.name, tuple(pros), tuple(cons), _best_use(own, others, advice))


def _rank(ratio: float) -> str:
    return "the best" if ratio <= 1 else "close to the best"


def _accuracy(own: Candidate, candidates: Sequence[Candidate]) -> tuple[list[str], list[str]]:
    best = max(candidates, key=lambda candidate: candidate.accuracy.value)
    shown = f"{own.accuracy.value:.3f} ({own.accuracy.low:.3f} to {own.accuracy.high:.3f})"
    if len(candidates) == 1:
        return [], []
    if own.accuracy.value == best.accuracy.value:
        return [f"the best accuracy: {shown}"], []
    if own.accuracy.overlaps(best.accuracy):
        return [f"accuracy {shown}, not told apart from the best, {best.accuracy.value:.3f}"], []
    return [], [f"accuracy {shown}, below the best, {best.accuracy.value:.3f}"]


def _best_use(own: Candidate, others: Sequence[Candidate], advice: Advice) -> str:
    if own.availability_percent < LEAST_AVAILABILITY_PERCENT:
        return "None under this load"
    if not own.facts.validity.valid:
        return "Cannot be said: its numbers are not valid"
    if own.unknown_here:
        return "Cannot be said: it was not measured on this CPU"
    first_by = [found.priority for found in advice.recommendations if found.variant == own.name]
    if first_by and others:
        return f"Where the priority is {_and([PRIORITIES[priority] for priority in first_by])}"
    return _use_of_the_others(own, [other for other in others if other.usable])


def _use_of_the_others(own: Candidate, others: Sequence[Candidate]) -> str:
    """Return the use of a variant that comes first by no priority."""
    better = next((other for other in others if dominates(_figures(other), _figures(own), _BETTER)), None)
    if better is not None:
        return f"None here: {better.name} is nowhere worse and somewhere better"
    if others and own.accuracy.value > max(other.accuracy.value for other in others):
        return "Where accuracy counts most"
    first_in = [trait.name for trait in TRAITS if all(trait.of(own) <= trait.of(other) for other in others)]
    if first_in and others:
        return f"Where an accuracy of {own.accuracy.value:.3f} is enough: it is first in {_and(first_in)}"
    by_mode = {
        "hpa": "A load that comes and goes: replicas follow it",
        "lb": "A steady load above what one replica carries",
        "single": "A light load: one replica",
    }
    return by_mode[own.facts.variant.mode]


_BETTER: tuple[Better, ...] = ("higher", "lower", "higher", "lower", "lower")

PRIORITIES: dict[Priority, str] = {
    "cost": "lowest cost",
    "throughput": "highest rate",
    "balance": "a balance of cost and speed",
}


def _figures(one: Candidate) -> tuple[float, ...]:
    return (
        one.accuracy.value,
        one.core_hours.median,
        one.transactions_per_s.median,
        one.response_time_s.median,
        one.memory_bytes.median,
    )


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
