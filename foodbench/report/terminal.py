"""The summary for a terminal: the main figures, a line each variant, or all of them, as many variants as fit."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from foodbench.analysis.advice import Advice
from foodbench.report.names import wrapped
from foodbench.report.summary import Shown, Summary

__all__ = ["render_advice", "render_main_figures", "render_summary"]

MAIN_FIGURES = {
    "Evaluation accuracy": "Accuracy",
    "Transaction rate (tps)": "Rate (/s)",
    "Response time (s)": "Answer (s)",
    "Availability (%)": "Answered (%)",
    "Memory under load, in total, mean (MiB)": "Memory (MiB)",
    "Replicas, mean": "Replicas",
    "Cost: core-hours per million transactions": "Core-h per million",
    "Numbers valid": "Valid",
}
"""Rows of the summary, and what they are called as columns."""

NAME_WIDTH = 24

LABEL_WIDTH = 26
VARIANT_WIDTH = 16
"""Narrowest column that holds an interval, "0.8250 to 0.8499", on one line."""

SPACING = 1

FLAGS = {"NO", "YES"}
"""What cells say in capitals where something is wrong with a variant."""


def render_summary(summary: Summary, *, width: int = 80) -> Group:
    """Return the summary as one table, or several below one another where the variants do not fit.

    Args:
        summary: What to show.
        width: Columns of the terminal.
    """
    beside = max(1, (width - LABEL_WIDTH) // (VARIANT_WIDTH + SPACING))
    starts = range(0, max(1, len(summary.variants)), beside)
    tables = (_table(summary, slice(start, start + beside)) for start in starts)
    return Group(*tables, *(Text(remark) for remark in (*summary.remarks, *summary.healthy)))


def render_main_figures(summary: Summary) -> Group:
    """Return the main figures, a line for each variant, and what must be said beside them."""
    rows = {row.label: row for section in summary.sections for row in section.rows}
    table = Table(
        title=Text(summary.title),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    table.add_column("", width=NAME_WIDTH, overflow="fold")
    for name in MAIN_FIGURES.values():
        table.add_column(name, justify="right")
    for place, name in enumerate(summary.variants):
        table.add_row(Text(wrapped(name, NAME_WIDTH)), *(_cell(rows[label].cells[place]) for label in MAIN_FIGURES))
    marks = dict.fromkeys(cell.text for cell in rows["Measured on"].cells)
    measured_on = [Text(f"Accuracy was measured on: {'; '.join(marks)}")] if marks else []
    return Group(table, *measured_on, *(Text(remark) for remark in summary.remarks))


def _table(summary: Summary, shown: slice) -> Table:
    more = f" (columns {shown.start + 1} to {min(shown.stop, len(summary.variants))} of {len(summary.variants)})"
    title = summary.title + (more if len(summary.variants) > shown.stop - shown.start else "")
    table = Table(
        title=Text(title),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        padding=0,
        show_edge=False,
    )
    table.add_column("", width=LABEL_WIDTH, overflow="fold")
    for name in summary.variants[shown]:
        table.add_column(Text(wrapped(name, VARIANT_WIDTH)), width=VARIANT_WIDTH, justify="right", overflow="fold")
    for section in summary.sections:
        for row in section.rows:
            if any(cell.text != "–" for cell in row.cells):
                table.add_row(Text(row.label), *(_cell(cell) for cell in row.cells[shown]))
        table.add_section()
    return table


def _cell(cell: Shown) -> Text:
    text = Text(cell.text, style="bold red" if cell.text in FLAGS else "")
    if cell.range:
        text.append(f"\n{cell.range}", style="dim")
    return text


def render_advice(advice: Advice) -> Group:
    """Return what the numbers say about which variant to deploy."""
    lines = []
    if not advice.firm:
        lines.append(Text("The numbers do not allow a recommendation:", style="bold yellow"))
        lines += [Text(f"  {reservation}") for reservation in advice.reservations]
        if advice.recommendations:
            lines.append(Text("What they show:"))
    for found in advice.recommendations:
        line = Text("  " if not advice.firm else "")
        line.append(f"{found.priority}: ", style="bold")
        line.append(f"{found.variant} ({found.reason})")
        lines.append(line)
        lines += [Text(f"    but {doubt}", style="dim") for doubt in found.doubts]
    lines += [Text(f"not ranked: {text}", style="yellow") for text in advice.left_out]
    return Group(*lines)
