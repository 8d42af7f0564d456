"""Why requests failed."""

from __future__ import annotations

from foodbench.analysis.rules.evidence import (
    BROKEN,
    cause_of_unhealthy,
    consequences,
    counted,
    crashes,
    failures_of,
    lost_share,
    outages,
    under_load,
)
from foodbench.analysis.rules.finding import Finding
from foodbench.quantities import format_bytes
from foodbench.records.deployments import ProbeFailure
from foodbench.records.loads import FailureKind
from foodbench.records.runs import CellResult

__all__ = ["not_deployed", "out_of_memory", "readiness_flap", "restarted", "shed", "timed_out", "unexplained"]

PROBE_FAILURES: dict[ProbeFailure, str] = {
    "timeout": "timed out",
    "connection-refused": "was refused",
    "http-status": "was answered with an error",
    "other": "failed",
}

LATE: tuple[FailureKind, ...] = ("timeout", "http-408")


def not_deployed(cell: CellResult) -> Finding | None:
    """Nothing could be measured."""
    if cell.status != "failed":
        return None
    return Finding("not deployed", cell.failure or "nothing was measured", "See the logs beside its record", lost=1.0)


def readiness_flap(cell: CellResult) -> Finding | None:
    """Probes failed under load, and replicas were taken out of the Service for it."""
    found = under_load(cell, "Unhealthy")
    if crashes(cell):
        # A process that has ended refuses its probe too: that is no fault of the probe.
        found = [event for event in found if cause_of_unhealthy(event) != "connection-refused"]
    without_s = _without_endpoints_s(cell)
    left = without_s > 0 or any(event.ready_endpoints is not None for event in found)
    if not found or not (left or failures_of(cell, BROKEN)):
        return None
    first = found[0]
    said = [f"readiness probe {PROBE_FAILURES[cause_of_unhealthy(first)]} under load{_at(cell, first.time_s)}"]
    if without_s > 0:
        said.append(f"0 ready endpoints for {without_s:.1f} s")
    said += consequences(cell, BROKEN)
    return Finding(
        "readiness flap",
        "; ".join(said),
        "Probe a path that does no inference (/readyz), or give the probe more time than a request takes under load",
        lost=lost_share(cell, BROKEN) * _part_of_outages(cell, "Unhealthy"),
        slowed=without_s / _elapsed_s(cell),
    )


def out_of_memory(cell: CellResult) -> Finding | None:
    """Replicas exceeded their memory limit and were ended."""
    found = under_load(cell, "OOMKilled")
    if not found:
        return None
    limit = cell.variant.resources.memory_limit_bytes
    peaks = [event.memory_peak_bytes for event in found if event.memory_peak_bytes is not None]
    if not peaks and cell.resources is not None:
        peaks = [cell.resources.memory_per_replica_peak_bytes]
    peak = f"peak {format_bytes(max(peaks))} of {format_bytes(limit)}" if peaks else f"above {format_bytes(limit)}"
    first = "" if cell.load is None else f", first{_at(cell, found[0].time_s)}"
    return Finding(
        "out of memory",
        "; ".join([f"OOMKilled {_times(len(found))}: {peak}{first}", *consequences(cell, BROKEN)]),
        "Raise the memory limit above the peak, bound the queue, or serve a smaller model or another runtime",
        lost=lost_share(cell, BROKEN) * _part_of_outages(cell, "OOMKilled"),
    )


def restarted(cell: CellResult) -> Finding | None:
    """Replicas ended by themselves, for another reason than memory, and were started again."""
    ended, waits = under_load(cell, "Error"), under_load(cell, "BackOff")
    if not ended and (not waits or under_load(cell, "OOMKilled")):
        return None
    found = ended or waits
    restarts = 0 if cell.resources is None else sum(replica.restarts for replica in cell.resources.replicas)
    said = (
        f"a replica ended and was restarted {_times(max(restarts, len(found)))}: {' '.join(found[0].message.split())}"
    )
    return Finding(
        "restarts",
        "; ".join([said, *consequences(cell, BROKEN)]),
        "See the end of the replica's log, beside the cell's record",
        lost=lost_share(cell, BROKEN) * _part_of_outages(cell, "Error", "BackOff"),
    )


def shed(cell: CellResult) -> Finding | None:
    """The service refused what its queue could not hold."""
    if not failures_of(cell, ["shed"]):
        return None
    replicas = () if cell.resources is None else cell.resources.replicas
    depth = max((one.queue_depth_peak for one in replicas if one.queue_depth_peak is not None), default=0)
    queue = f" of {counted(depth, 'request')}" if depth else ""
    everyone = " with all its replicas" if _at_its_most(cell) else ""
    rate = "" if cell.load is None else f" ({cell.load.figures.transactions_per_s:,.3g}/s)"
    return Finding(
        "queue full",
        f"more requests came than the service can answer{everyone}{rate}: its queue{queue} was full; "
        + "; ".join(consequences(cell, ["shed"])),
        "Give it more CPU or more replicas, or let fewer users come",
        lost=lost_share(cell, ["shed"]),
    )


def timed_out(cell: CellResult) -> Finding | None:
    """Answers took longer than a request may."""
    if cell.load is None or not failures_of(cell, LATE):
        return None
    return Finding(
        "requests too slow",
        f"answers took longer than the {cell.load.profile.timeout_s:g} s a request may take; "
        + "; ".join(consequences(cell, LATE)),
        "Bound the queue, so that what cannot be answered in time is refused at once, or give the service more CPU",
        lost=lost_share(cell, LATE),
    )


def unexplained(cell: CellResult) -> Finding | None:
    """Requests failed in ways that no other rule explains."""
    kinds: tuple[FailureKind, ...] = ("http-5xx", "other")
    if not under_load(cell, "Unhealthy") and not crashes(cell):
        kinds = (*BROKEN, *kinds)
    failures = failures_of(cell, kinds)
    if not failures:
        return None
    first = min(failures, key=lambda failure: failure.first_at_s)
    said = (
        f"no event names a cause; the first error, at {first.first_at_s:.1f} s, was: {' '.join(first.example.split())}"
    )
    return Finding(
        "no cause recorded",
        "; ".join([said, *consequences(cell, kinds)]),
        "See the replicas' logs beside the cell's record, at that time",
        lost=lost_share(cell, kinds),
    )


def _without_endpoints_s(cell: CellResult) -> float:
    """Return how long there was no endpoint because of probes: by the events, else as far as samples tell."""
    if any(event.ready_endpoints is not None for event in cell.events):
        return sum(outage.length_s for outage in outages(cell) if outage.reason == "Unhealthy")
    return 0.0 if crashes(cell) or cell.resources is None else cell.resources.without_ready_replica_s


def _part_of_outages(cell: CellResult, *reasons: str) -> float:
    """Return the part of the broken connections that falls to these reasons, by the time without an endpoint.

    Where no such time is recorded it is split by the number of events.
    """
    lengths = {outage: outage.length_s for outage in outages(cell)}
    if whole_s := sum(lengths.values()):
        return sum(length_s for outage, length_s in lengths.items() if outage.reason in reasons) / whole_s
    events = under_load(cell, "Unhealthy", "OOMKilled", "Error", "BackOff")
    return sum(event.reason in reasons for event in events) / max(1, len(events))


def _at(cell: CellResult, time_s: float) -> str:
    return "" if cell.load is None else f" at {time_s - cell.load.started_at:.1f} s"


def _elapsed_s(cell: CellResult) -> float:
    return 1.0 if cell.load is None else max(1e-9, cell.load.figures.elapsed_s)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _at_its_most(cell: CellResult) -> bool:
    return bool(cell.scaling_decisions) and cell.scaling_decisions[-1].desired_replicas == cell.variant.most_replicas
