"""Why a cell failed, was slow or did not scale, from what was recorded: the few causes that matter, by their weight.

Rules stand side by side in ``rules``; each looks at one cause. Those that explain more of the lost
requests come first, then those that explain more of the time lost.
"""

from __future__ import annotations

from collections.abc import Callable

from foodbench.analysis.rules import availability, scaling, speed
from foodbench.analysis.rules.evidence import counted
from foodbench.analysis.rules.finding import Finding
from foodbench.records.runs import CellResult

__all__ = ["MOST_FINDINGS", "RULES", "Finding", "diagnose", "explain"]

RULES: tuple[Callable[[CellResult], Finding | None], ...] = (
    availability.not_deployed,
    availability.out_of_memory,
    availability.restarted,
    availability.readiness_flap,
    availability.shed,
    availability.timed_out,
    availability.unexplained,
    scaling.held_without_metrics,
    scaling.held_unready,
    scaling.at_maximum,
    scaling.late,
    speed.generator_limited,
    speed.connection_skew,
    speed.throttled,
)
"""Of equal weight, the one that stands first here comes first."""

MOST_FINDINGS = 3


def diagnose(cell: CellResult) -> tuple[Finding, ...]:
    """Return the few findings that matter most; none where no fault shows."""
    found = [finding for rule in RULES if (finding := rule(cell)) is not None]
    return tuple(sorted(found, key=lambda one: (-one.lost, -one.slowed))[:MOST_FINDINGS])


def explain(cell: CellResult) -> str:
    """Say in one line what happened and why; that no fault shows, where none does.

    Times are seconds since the load began.
    """
    findings = diagnose(cell)
    if not findings:
        return _healthy(cell)
    return "; ".join(" ".join(finding.evidence.split()) for finding in findings)


def _healthy(cell: CellResult) -> str:
    if cell.load is None:
        return "no fault found"
    figures = cell.load.figures
    said = (
        f"no fault found: {figures.availability_percent:.2f} % of"
        f" {counted(figures.transactions + figures.failed_transactions, 'request')} answered"
    )
    return f"{said}; {kept}" if (kept := _why_not_scaled(cell)) else said


def _why_not_scaled(cell: CellResult) -> str:
    """Return why a healthy autoscaler changed nothing; empty where it did, or where there is none."""
    decisions, autoscaling = scaling.decisions_under_load(cell), cell.variant.autoscaling
    seen = [one.utilisation_percent for one in decisions if one.utilisation_percent is not None]
    if autoscaling is None or not seen or any(one.desired_replicas != one.current_replicas for one in decisions):
        return ""
    return (
        f"HPA stayed at {counted(decisions[0].current_replicas, 'replica')}: CPU at most {max(seen):.0f} %,"
        f" target {autoscaling.target_cpu_percent:g} %"
    )
