"""The summary as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from foodbench.analysis.advice import Advice
from foodbench.analysis.verdicts import Verdict
from foodbench.report.summary import Section, Shown, Summary, Value

__all__ = ["advice_markdown", "summary_csv", "summary_markdown"]


def summary_csv(rows: Sequence[dict[str, Value]]) -> str:
    """Return one line for each variant, units in the names of the columns; empty where there is no value."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: _plain(value) for column, value in row.items()} for row in rows)
    return text.getvalue()


def _plain(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A spreadsheet would run a text that begins like a formula.
        return f"'{value}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def summary_markdown(summary: Summary, level: int = 1) -> str:
    """Return the summary as Markdown, a table for each section, under a heading of ``level``."""
    parts = [
        f"{'#' * level} {_escaped(summary.title)}",
        *(_section(section, summary.variants) for section in summary.sections),
    ]
    if remarks := (*summary.remarks, *summary.healthy):
        parts.append("\n".join(f"- {_escaped(remark)}" for remark in remarks))
    return "\n\n".join(parts) + "\n"


def _section(section: Section, variants: Sequence[str]) -> str:
    head = [section.title, *variants]
    lines = [_line(head), _line(["---", *("---:" for _ in variants)], escape=False)]
    lines += [_line([row.label, *(_inline(cell) for cell in row.cells)]) for row in section.rows]
    return "\n".join(lines)


def _line(cells: Sequence[str], *, escape: bool = True) -> str:
    return "| " + " | ".join(_escaped(cell) if escape else cell for cell in cells) + " |"


def _inline(cell: Shown) -> str:
    return f"{cell.text} ({cell.range})" if cell.range else cell.text


def _escaped(text: str) -> str:
    plain = " ".join(text.split())
    for sign in "\\`*_|[]":
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("&", "&amp;").replace("<", "&lt;")


def advice_markdown(advice: Advice, verdicts: Sequence[Verdict]) -> str:
    """Return the recommendation and each variant's pros, cons and best use as Markdown."""
    lines = ["## Which variant"]
    if not advice.firm:
        lines += ["", "**The numbers do not allow a recommendation:**", ""]
        lines += [f"- {_escaped(reservation)}" for reservation in advice.reservations]
        if advice.recommendations:
            lines += ["", "What they show:"]
    lines.append("")
    for found in advice.recommendations:
        doubts = "".join(f" But {doubt}." for doubt in found.doubts)
        lines.append(f"- {found.priority}: **{_escaped(found.variant)}**, {_escaped(found.reason + '.' + doubts)}")
    lines += [f"- not ranked: {_escaped(text)}" for text in advice.left_out]
    lines += ["", "## Pros, cons and best use"]
    for verdict in verdicts:
        lines += ["", f"### {_escaped(verdict.variant)}", ""]
        lines += [f"- Pro: {_escaped(text)}" for text in verdict.pros]
        lines += [f"- Con: {_escaped(text)}" for text in verdict.cons]
        lines.append(f"- Best use: {_escaped(verdict.best_use)}")
    return "\n".join(lines) + "\n"
