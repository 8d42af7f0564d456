"""Why a cell failed, shed requests or did not scale, in one line, from what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foodbench.records.deployments import DeploymentEvent, ScalingDecision
from foodbench.records.loads import FailureCount, FailureKind, LoadResult
from foodbench.records.runs import CellResult

__all__ = ["explain"]

MIB = 2**20

THROTTLED_MOSTLY = 0.5
"""Share of the time held back above which the CPU limit is named as a cause of slowness."""

CONSEQUENCES: dict[FailureKind, str] = {
    "connection-refused": "connection{s} refused",
    "connection-reset": "connection{s} reset",
    "connection-closed": "connection{s} closed before an answer",
    "timeout": "request{s} timed out",
    "http-408": "answer{s} of status 408",
    "http-5xx": "answer{s} of status 5xx",
    "shed": "request{s} shed (503 with Retry-After)",
    "other": "request{s} failed otherwise",
}


def explain(cell: CellResult) -> str:
    """Say in one line why a cell failed, shed or did not scale; an empty string where it did none of that.

    The cause comes first (what the events say), then what the load generator saw of it. Times are
    seconds since the load began.
    """
    causes = [text for rule in CAUSES if (text := rule(cell))]
    if cell.status == "failed":
        return _sentence([cell.failure or "nothing was measured", *causes])
    if cell.load is None or not cell.load.failures:
        return _sentence(causes or [_held_back(cell)])
    largest_first = sorted(cell.load.failures, key=lambda failure: -failure.count)
    return _sentence([*(causes or [_guess(cell, cell.load)]), *(_consequence(failure) for failure in largest_first)])


def _sentence(parts: Sequence[str]) -> str:
    return "; ".join(" ".join(part.split()) for part in parts if part)


def _consequence(failure: FailureCount) -> str:
    when = (
        f"at {failure.first_at_s:.1f} s"
        if failure.last_at_s - failure.first_at_s < 0.1
        else f"from {failure.first_at_s:.1f} to {failure.last_at_s:.1f} s"
    )
    what = CONSEQUENCES[failure.kind].format(s=_s(failure.count))
    return f"{failure.count:,} {what} {when}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _at(cell: CellResult, event: DeploymentEvent) -> str:
    if cell.load is None:
        return ""
    return f" at {event.time_s - cell.load.started_at:.1f} s"


def _events(cell: CellResult, reason: str) -> list[DeploymentEvent]:
    """Events of that reason; those long before the load began belong to a start that went well in the end."""
    begin = 0.0 if cell.load is None else cell.load.started_at
    return [event for event in cell.events if event.reason == reason and event.time_s >= begin]


def _out_of_memory(cell: CellResult) -> str:
    found = _events(cell, "OOMKilled")
    if not found:
        return ""
    limit = cell.variant.resources.memory_limit_bytes / MIB
    peak = "" if cell.resources is None else f": peak {cell.resources.memory_per_replica_peak_bytes / MIB:,.0f} MiB"
    of = f"{peak} of {limit:,.0f} MiB" if peak else f" above {limit:,.0f} MiB"
    return f"{_times('replica OOMKilled', len(found))}{of}, first{_at(cell, found[0])}"


def _crashed(cell: CellResult) -> str:
    found = _events(cell, "BackOff")
    return f"{_times('replica ended and was restarted', len(found))}: {found[0].message}" if found else ""


def _unready(cell: CellResult) -> str:
    found = _events(cell, "Unhealthy")
    if not found:
        return ""
    return f"readiness probe failed{_at(cell, found[0])} ({found[0].message})"


CAUSES: tuple[Callable[[CellResult], str], ...] = (_out_of_memory, _crashed, _unready)


def _times(what: str, count: int) -> str:
    return what if count == 1 else f"{what} {count} times"


def _guess(cell: CellResult, load: LoadResult) -> str:
    """Return what the figures suggest where no event names a cause."""
    kinds = {failure.kind for failure in load.failures}
    if "shed" in kinds:
        at_most = " with all its replicas" if _at_its_most(cell) else ""
        return f"more requests came than the service can answer{at_most}: its queue was full"
    if kinds == {"timeout"}:
        return f"answers took longer than the {load.profile.timeout_s:g} s a request may take"
    first = min(load.failures, key=lambda failure: failure.first_at_s)
    return f"no event names a cause, the first error was: {first.example}"


def _at_its_most(cell: CellResult) -> bool:
    return bool(cell.scaling_decisions) and cell.scaling_decisions[-1].desired_replicas == cell.variant.most_replicas


def _held_back(cell: CellResult) -> str:
    """Return why nothing failed but the deployment did not scale, or was slowed down."""
    if cell.variant.autoscaling is not None and (idle := _not_scaled(cell.scaling_decisions, cell)):
        return idle
    throttled = None if cell.resources is None else cell.resources.throttled_fraction
    if throttled is not None and throttled > THROTTLED_MOSTLY:
        limit = cell.variant.resources.cpu_limit_cores
        return f"CPU throttled {100 * throttled:.0f} % of the time by the limit of {limit:g} cores"
    return ""


def _not_scaled(decisions: Sequence[ScalingDecision], cell: CellResult) -> str:
    if not decisions or cell.variant.autoscaling is None:
        return ""
    if any(decision.desired_replicas != decisions[0].current_replicas for decision in decisions):
        return ""
    held_at = decisions[0].current_replicas
    held = f"held at {held_at} replica{_s(held_at)} for {decisions[-1].time_s - decisions[0].time_s:.0f} s"
    if all(decision.utilisation_percent is None for decision in decisions):
        return f"{held}: there were no metrics"
    if limit := decisions[-1].limited_by:
        return f"{held}: {limit}"
    highest = max(decision.utilisation_percent or 0.0 for decision in decisions)
    return (
        f"{held}: CPU at most {highest:.0f} % of the request, target {cell.variant.autoscaling.target_cpu_percent:g} %"
    )
