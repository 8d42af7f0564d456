"""The figures of all variants of a run, ready to be shown, and as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from foodbench.analysis.diagnosis import diagnose, explain
from foodbench.analysis.statistics import samples_needed
from foodbench.analysis.variants import Measured, Spread, VariantFacts, spread_of
from foodbench.records.loads import FailureKind
from foodbench.report.figures import SECTIONS, Fact, Figure, figure_text

__all__ = ["Row", "Section", "Shown", "Summary", "Value", "summarise", "summary_rows"]

Value = float | int | str | bool | None

PERCENTS = (50.0, 90.0, 95.0, 99.0)
"""Percentiles every table has; each is shown only where its samples suffice."""


@dataclass(frozen=True)
class Shown:
    """What one place of a table holds."""

    text: str
    range: str = ""
    """Least and most over the repeats, where there are several."""


@dataclass(frozen=True)
class Row:
    """One figure of all variants."""

    label: str
    cells: tuple[Shown, ...]


@dataclass(frozen=True)
class Section:
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Summary:
    """The summary table: variants are columns."""

    title: str
    variants: tuple[str, ...]
    sections: tuple[Section, ...]
    remarks: tuple[str, ...]
    """What went wrong with which variant and why, what was not valid, what was not measured; a line each."""
    healthy: tuple[str, ...] = ()
    """The variants that no fault was found in; a line each."""


def summarise(variants: Sequence[VariantFacts], title: str, *, unmeasured: Sequence[str] = ()) -> Summary:
    """Return the summary table of a run.

    Args:
        variants: Those measured, or that failed.
        title: Of the experiment.
        unmeasured: Names of the experiment's other variants.
    """
    sections = []
    for name, figures in SECTIONS:
        rows = [_row(figure, variants) for figure in figures if figure.label]
        if name == "Load test":
            rows += [*_percentile_rows(variants), *_failure_rows(variants)]
        sections.append(Section(name, tuple(rows)))
    sections.append(Section("Validity", _validity_rows(variants)))
    names = tuple(facts.name for facts in variants)
    return Summary(title, names, tuple(sections), tuple(_remarks(variants, unmeasured)), tuple(_healthy(variants)))


def _row(figure: Figure | Fact, variants: Sequence[VariantFacts]) -> Row:
    if isinstance(figure, Figure):
        return Row(figure.label, tuple(_shown(figure.spread(facts), figure.decimals) for facts in variants))
    return Row(figure.label, tuple(Shown(figure_text(figure.of(facts), figure.decimals)) for facts in variants))


def _shown(spread: Spread | None, decimals: int) -> Shown:
    if spread is None:
        return Shown(figure_text(None, decimals))
    text = figure_text(spread.median, decimals)
    if spread.low == spread.high:
        return Shown(text)
    return Shown(text, f"{figure_text(spread.low, decimals)}..{figure_text(spread.high, decimals)}")


def _latency_ms(measured: Measured, percent: float) -> float | None:
    return next((found.latency_ms for found in measured.load.percentiles if found.percent == percent), None)


def _percentile_rows(variants: Sequence[VariantFacts]) -> list[Row]:
    return [
        Row(f"p{percent:g} response time (ms)", tuple(_percentile(facts, percent) for facts in variants))
        for percent in PERCENTS
    ]


def _percentile(facts: VariantFacts, percent: float) -> Shown:
    spread = spread_of(_latency_ms(measured, percent) for measured in facts.measured)
    # A median over some of the repeats would hide that the others had too few samples.
    if facts.measured and (spread is None or spread.repeats < len(facts.measured)):
        return Shown(f"needs {samples_needed(percent):,} samples")
    return _shown(spread, 1)


def _failure_kinds(variants: Sequence[VariantFacts]) -> tuple[FailureKind, ...]:
    kinds: dict[FailureKind, None] = {}
    for facts in variants:
        for measured in facts.measured:
            kinds.update((failure.kind, None) for failure in measured.load.failures)
    return tuple(kinds)


def _failures(facts: VariantFacts, kind: FailureKind) -> Spread | None:
    return spread_of(
        sum(failure.count for failure in measured.load.failures if failure.kind == kind) for measured in facts.measured
    )


def _failure_rows(variants: Sequence[VariantFacts]) -> list[Row]:
    return [
        Row(f"Failed: {kind}", tuple(_shown(_failures(facts, kind), 0) for facts in variants))
        for kind in _failure_kinds(variants)
    ]


def _validity_rows(variants: Sequence[VariantFacts]) -> tuple[Row, ...]:
    rows = [
        ("Repeats measured", [f"{len(facts.measured)} of {len(facts.cells)}" for facts in variants]),
        ("Numbers valid", ["yes" if facts.validity.valid else "NO" for facts in variants]),
    ]
    return tuple(Row(label, tuple(Shown(text) for text in texts)) for label, texts in rows)


def _remarks(variants: Sequence[VariantFacts], unmeasured: Sequence[str]) -> Iterable[str]:
    """Too long for the columns of a table: cause, fix and explanation of each variant that has them."""
    for facts in variants:
        if not facts.validity.valid:
            yield f"{facts.name} is not valid: {facts.validity.cause}. Fix: {facts.validity.fix}."
        if facts.accuracy_loss is not None and facts.accuracy_loss.remark:
            yield f"{facts.name}: its runtime is {facts.accuracy_loss.remark}."
        if _has_findings(facts):
            yield f"{facts.name}: {_explained(facts)}."
    if unmeasured:
        yield f"Not measured in this run: {', '.join(unmeasured)}."


def _healthy(variants: Sequence[VariantFacts]) -> Iterable[str]:
    return (f"{facts.name}: {_explained(facts)}." for facts in variants if facts.cells and not _has_findings(facts))


def _has_findings(facts: VariantFacts) -> bool:
    return any(diagnose(cell) for cell in facts.cells)


def _explained(facts: VariantFacts) -> str:
    """Return what explains a variant's cells, those with findings only, if any has them; equal lines once."""
    telling = [cell for cell in facts.cells if diagnose(cell)] or facts.cells
    return "; ".join(dict.fromkeys(explain(cell) for cell in telling))


def summary_rows(variants: Sequence[VariantFacts]) -> list[dict[str, Value]]:
    """Return the figures as plain values: a row for each variant, units in the names.

    A figure measured in each repeat has three columns: its median, and ``_min`` and ``_max``.
    """
    kinds = _failure_kinds(variants)
    return [dict(_values(facts, kinds)) for facts in variants]


def _values(facts: VariantFacts, kinds: Sequence[FailureKind]) -> Iterable[tuple[str, Value]]:
    yield "variant", facts.name
    for _, figures in SECTIONS:
        for figure in figures:
            if isinstance(figure, Figure):
                yield from _spread_values(figure.column, figure.spread(facts))
            elif figure.column:
                yield figure.column, figure.of(facts)
    for percent in PERCENTS:
        latency = spread_of(_latency_ms(measured, percent) for measured in facts.measured)
        yield from _spread_values(f"latency_p{percent:g}_ms", latency)
    for kind in kinds:
        yield from _spread_values(f"failed_{kind.replace('-', '_')}", _failures(facts, kind))
    yield "repeats_measured", len(facts.measured)
    yield "repeats_done", len(facts.cells)
    yield "valid", facts.validity.valid
    yield "cause", facts.validity.cause
    yield "fix", facts.validity.fix
    yield "explained", _explained(facts)


def _spread_values(column: str, spread: Spread | None) -> Iterable[tuple[str, Value]]:
    yield column, None if spread is None else spread.median
    yield f"{column}_min", None if spread is None else spread.low
    yield f"{column}_max", None if spread is None else spread.high
