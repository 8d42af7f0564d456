"""Why a cell did what it did, for a terminal: its findings, and each decision of its autoscaler."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from foodbench.analysis.diagnosis import diagnose, explain
from foodbench.analysis.rules.evidence import counted
from foodbench.records.deployments import ScalingDecision
from foodbench.records.runs import CellResult
from foodbench.report.figures import figure_text

__all__ = ["render_decisions", "render_explanation", "render_findings"]


def render_explanation(cell: CellResult) -> Group:
    """Return a cell's findings and, where it has an autoscaler, what that decided and why."""
    parts: list[RenderableType] = [Text(cell.cell, style="bold"), render_findings(cell)]
    if cell.scaling_decisions:
        parts.append(render_decisions(cell))
    elif cell.variant.autoscaling is not None:
        parts.append(Text("  The autoscaler made no decision."))
    return Group(*parts)


def render_findings(cell: CellResult) -> Group:
    """Return each finding with its next step; that there is none, where no fault shows."""
    findings = diagnose(cell)
    lines = [] if findings else [Text(f"  {explain(cell)}")]
    for finding in findings:
        line = Text("  ")
        line.append(f"{finding.cause}: ", style="bold")
        line.append(" ".join(finding.evidence.split()))
        if finding.lost > 0:
            line.append(f" ({100 * finding.lost:.3g} % of all requests)")
        lines += [line, Text(f"    Next: {finding.next_step}.", style="dim")]
    return Group(*lines)


def render_decisions(cell: CellResult) -> Table:
    """Return one row a sync of the autoscaler: what it saw, what that asks for, what limited it, what it did."""
    scaling = cell.variant.autoscaling
    bounds = "" if scaling is None else f", {scaling.min_replicas} to {counted(scaling.max_replicas, 'replica')}"
    table = Table(
        title=Text(f"  Decisions of the HPA{bounds}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        show_edge=False,
    )
    for column in ("  Time", "CPU / target", "Ratio", "Asks for"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("Limited by", overflow="fold")
    table.add_column("Replicas", no_wrap=True)
    began = cell.scaling_decisions[0].time_s if cell.load is None else cell.load.started_at
    target = None if scaling is None else scaling.target_cpu_percent
    for decision in cell.scaling_decisions:
        table.add_row(*_decision(decision, began, target))
    return table


def _decision(decision: ScalingDecision, began: float, target_percent: float | None) -> tuple[Text, ...]:
    changed = decision.desired_replicas != decision.current_replicas
    cpu = figure_text(decision.utilisation_percent, 0)
    percent = "no metrics" if decision.utilisation_percent is None else f"{cpu} %"
    asked = decision.recommended_replicas if decision.raw_replicas is None else decision.raw_replicas
    limited = "; ".join(reason for reason in (decision.weakened_by, decision.limited_by) if reason)
    return (
        Text(f"  {decision.time_s - began:+.0f} s"),
        Text(f"{percent} / {figure_text(target_percent, 0)} %"),
        Text(figure_text(decision.ratio, 2)),
        Text("–" if decision.utilisation_percent is None else str(asked)),
        Text(limited or "–"),
        Text(f"{decision.current_replicas} → {decision.desired_replicas}", style="bold" if changed else ""),
    )
