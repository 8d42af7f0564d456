"""What several rules read from a cell: failures by kind, events under load, times without an endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from foodbench.records.deployments import DeploymentEvent, ProbeFailure
from foodbench.records.loads import FailureCount, FailureKind
from foodbench.records.runs import CellResult

__all__ = [
    "BROKEN",
    "Outage",
    "cause_of_unhealthy",
    "clip",
    "consequences",
    "counted",
    "crashes",
    "failures_of",
    "lost_share",
    "outages",
    "since_start",
    "under_load",
]

BROKEN: tuple[FailureKind, ...] = ("connection-refused", "connection-reset", "connection-closed")
"""How requests fail while nobody is there to answer."""

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

CRASHES = ("OOMKilled", "Error", "BackOff")


@dataclass(frozen=True)
class Outage:
    """A time in which no replica received connections, in seconds since the load began."""

    began_s: float
    ended_s: float
    reason: str
    """Of the event that began it."""

    @property
    def length_s(self) -> float:
        """How long it lasted."""
        return self.ended_s - self.began_s


def since_start(cell: CellResult, event: DeploymentEvent) -> float:
    """Return when an event happened, in seconds since the load began; since the epoch where there was no load."""
    return event.time_s - (0.0 if cell.load is None else cell.load.started_at)


def under_load(cell: CellResult, *reasons: str) -> list[DeploymentEvent]:
    """Return the events of these reasons while the load went on.

    Those before it belong to a start that went well in the end, those after it to the removal. Where
    there was no load, all of them count.
    """
    if cell.load is None:
        return [event for event in cell.events if event.reason in reasons]
    elapsed_s = cell.load.figures.elapsed_s
    return [event for event in cell.events if event.reason in reasons and 0 <= since_start(cell, event) <= elapsed_s]


def crashes(cell: CellResult) -> bool:
    """Return whether a replica's process ended by itself under load."""
    return bool(under_load(cell, *CRASHES))


def outages(cell: CellResult) -> list[Outage]:
    """Return when no replica received connections while the load went on, by the events that changed their number."""
    if cell.load is None:
        return []
    elapsed_s = cell.load.figures.elapsed_s
    changes = [event for event in cell.events if event.ready_endpoints is not None]
    found = []
    for place, event in enumerate(changes):
        if event.ready_endpoints != 0:
            continue
        ended_s = since_start(cell, changes[place + 1]) if place + 1 < len(changes) else elapsed_s
        began_s, ended_s = clip(since_start(cell, event), elapsed_s), clip(ended_s, elapsed_s)
        if ended_s > began_s:
            found.append(Outage(began_s, ended_s, event.reason))
    return found


def clip(time_s: float, elapsed_s: float) -> float:
    """Return the nearest moment of the load."""
    return min(max(time_s, 0.0), elapsed_s)


def cause_of_unhealthy(event: DeploymentEvent) -> ProbeFailure:
    """Return why a probe failed: as it was recorded, else from the message, which a kubelet words so."""
    if event.probe_failure is not None:
        return event.probe_failure
    message = event.message.lower()
    if any(word in message for word in ("deadline exceeded", "timeout", "timed out", "no answer within")):
        return "timeout"
    if "connection refused" in message:
        return "connection-refused"
    return "http-status" if "statuscode" in message or "http status" in message else "other"


def failures_of(cell: CellResult, kinds: Iterable[FailureKind]) -> list[FailureCount]:
    """Return the failures of these kinds, the most frequent first."""
    wanted = set(kinds)
    found = [] if cell.load is None else [failure for failure in cell.load.failures if failure.kind in wanted]
    return sorted(found, key=lambda failure: -failure.count)


def lost_share(cell: CellResult, kinds: Iterable[FailureKind]) -> float:
    """Return the share of all requests that failed in one of these ways."""
    if cell.load is None:
        return 0.0
    figures = cell.load.figures
    failed = sum(failure.count for failure in failures_of(cell, kinds))
    return failed / max(1, figures.transactions + figures.failed_transactions)


def consequences(cell: CellResult, kinds: Iterable[FailureKind]) -> list[str]:
    """Return what the load generator saw of these kinds, such as "1,033 connections refused"."""
    return [
        f"{failure.count:,} {CONSEQUENCES[failure.kind].format(s='' if failure.count == 1 else 's')}"
        for failure in failures_of(cell, kinds)
    ]


def counted(count: int, what: str) -> str:
    """Return "1 replica", "5 replicas"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
