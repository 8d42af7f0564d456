"""Why the autoscaler came late, was held, or could go no further. Times are within the load."""

from __future__ import annotations

from collections.abc import Sequence

from foodbench.analysis.rules.evidence import counted, since_start
from foodbench.analysis.rules.finding import Finding
from foodbench.autoscaling import SYNC_PERIOD_S
from foodbench.records.deployments import ScalingDecision
from foodbench.records.runs import CellResult

__all__ = ["at_maximum", "decisions_under_load", "held_unready", "held_without_metrics", "late"]

TOLERANCE = 0.1
"""kube-controller-manager's ``--horizontal-pod-autoscaler-tolerance``."""

LATE = 0.5
"""Share of the load after which replicas that only then are ready have hardly changed its figures."""


def decisions_under_load(cell: CellResult) -> tuple[ScalingDecision, ...]:
    """Return the autoscaler's syncs while the load went on."""
    if cell.load is None:
        return ()
    began, elapsed_s = cell.load.started_at, cell.load.figures.elapsed_s
    return tuple(one for one in cell.scaling_decisions if began <= one.time_s <= began + elapsed_s)


def held_without_metrics(cell: CellResult) -> Finding | None:
    """The autoscaler had no metrics, and would have scaled, or never got any."""
    scaling, decisions = cell.variant.autoscaling, decisions_under_load(cell)
    if scaling is None or cell.load is None:
        return None
    # Brought back into its bounds, an autoscaler does not ask for metrics.
    blind = [
        one
        for one in decisions
        if one.utilisation_percent is None and scaling.min_replicas <= one.current_replicas <= scaling.max_replicas
    ]
    if not blind:
        return None
    seeing = [one for one in decisions if one not in blind]
    if seeing and all(_wanted(one) <= one.current_replicas for one in seeing):
        return None
    began, elapsed_s = cell.load.started_at, cell.load.figures.elapsed_s
    if decisions[0] in blind:
        held_s = (seeing[0].time_s - began) if seeing else elapsed_s
    else:
        held_s = len(blind) * SYNC_PERIOD_S
    held_at = counted(blind[0].current_replicas, "replica")
    return Finding(
        "no metrics",
        f"HPA held at {held_at} for {held_s:.0f} s: no metrics{' yet' if seeing else ''}",
        "Begin the load a minute after the deployment, or start with more replicas"
        if seeing
        else "See whether metrics-server works (kubectl top pods)",
        slowed=held_s / elapsed_s,
    )


def held_unready(cell: CellResult) -> Finding | None:
    """The metrics asked for more, but pods that did not count weakened that to no change."""
    decisions = decisions_under_load(cell)
    held = [
        one
        for one in decisions
        if one.weakened_by and _wanted(one) > one.current_replicas == one.recommended_replicas and not _tolerated(one)
    ]
    if cell.load is None or len(held) < 2:
        return None
    held_s = len(held) * SYNC_PERIOD_S
    return Finding(
        "pods not counted",
        f"HPA held at {counted(held[0].current_replicas, 'replica')} for {held_s:.0f} s though the metrics asked for"
        f" {max(_wanted(one) for one in held)}: {held[0].weakened_by}",
        "Make replicas ready sooner (a lighter runtime, more CPU at the start), or load it for longer",
        slowed=min(1.0, held_s / cell.load.figures.elapsed_s),
    )


def at_maximum(cell: CellResult) -> Finding | None:
    """All the replicas allowed were there, and still used more than the target."""
    scaling, decisions = cell.variant.autoscaling, decisions_under_load(cell)
    if scaling is None or cell.load is None:
        return None
    over = [
        one
        for one in decisions
        if one.current_replicas >= scaling.max_replicas and one.ratio is not None and one.ratio > 1 + TOLERANCE
    ]
    # The first sync after a change still sees the usage before it.
    if len(over) < 2:
        return None
    mean_percent = sum(one.utilisation_percent or 0.0 for one in over) / len(over)
    return Finding(
        "HPA at its maximum",
        f"HPA at its maximum of {counted(scaling.max_replicas, 'replica')} for {len(over) * SYNC_PERIOD_S:.0f} s"
        f" and still at {mean_percent:.0f} % CPU, target {scaling.target_cpu_percent:g} %",
        "Raise max_replicas, give each replica more CPU, or accept a higher target",
        slowed=min(1.0, len(over) * SYNC_PERIOD_S / cell.load.figures.elapsed_s),
    )


def late(cell: CellResult) -> Finding | None:
    """The most replicas there ever were came so late that the figures hardly show them."""
    decisions = decisions_under_load(cell)
    if cell.load is None or not decisions:
        return None
    before, most = decisions[0].current_replicas, max(one.desired_replicas for one in decisions)
    if most <= before:
        return None
    elapsed_s = cell.load.figures.elapsed_s
    ready_s = _ready_after_s(cell, decisions, most)
    if ready_s <= LATE * elapsed_s:
        return None
    when = f"ready only after {ready_s:.0f} s" if ready_s < elapsed_s else "never all ready"
    return Finding(
        "scaled too late",
        f"HPA scaled from {before} to {counted(most, 'replica')}, {when} of a load of {elapsed_s:.0f} s",
        f"Load it for {_longer_s(ready_s):.0f} s or more, or start with more replicas (min_replicas)",
        slowed=min(1.0, ready_s / elapsed_s),
    )


def _ready_after_s(cell: CellResult, decisions: Sequence[ScalingDecision], most: int) -> float:
    """Return when so many replicas received connections; where no event says that, when they were asked for."""
    ends_s = 0.0 if cell.load is None else cell.load.figures.elapsed_s
    told = [event for event in cell.events if event.ready_endpoints is not None]
    if told:
        times = [since_start(cell, event) for event in told if (event.ready_endpoints or 0) >= most]
        return min((time_s for time_s in times if time_s >= 0), default=ends_s)
    began = 0.0 if cell.load is None else cell.load.started_at
    return next(one.time_s - began for one in decisions if one.desired_replicas >= most)


def _longer_s(ready_s: float) -> float:
    """Return a load of which the time until ``ready_s`` is a fifth, in whole half minutes."""
    return 30.0 * -(-5 * ready_s // 30)


def _wanted(decision: ScalingDecision) -> int:
    return decision.recommended_replicas if decision.raw_replicas is None else decision.raw_replicas


def _tolerated(decision: ScalingDecision) -> bool:
    return decision.ratio is not None and abs(decision.ratio - 1) <= TOLERANCE
