"""What a diagnosis consists of, and what it is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from foodbench.deploy.kubernetes.reading import Event, Plain
from foodbench.errors import RunFailed

__all__ = ["Answer", "Cause", "Diagnosis", "Observed", "failure_of"]

Cause = Literal[
    "abrupt-scale-down",
    "admission-denied",
    "api-unreachable",
    "conflict",
    "container-cannot-start",
    "crash-loop",
    "forbidden",
    "image-name-invalid",
    "image-pull",
    "invalid-object",
    "metrics-absent",
    "namespace-missing",
    "oom-killed",
    "probe-misconfigured",
    "progress-deadline",
    "quota-exceeded",
    "readiness-flap",
    "unauthorized",
    "unschedulable",
    "wrong-context",
]


@dataclass(frozen=True)
class Diagnosis:
    """The one cause of a failure."""

    cause: Cause
    summary: str
    """One line, with the values that matter; no final full stop."""
    evidence: tuple[str, ...]
    """As the cluster said it, one line each."""
    next_step: str
    """What to do; no final full stop."""


@dataclass(frozen=True)
class Answer:
    """What the API server said to a request."""

    status: int
    """Of HTTP."""
    body: str
    path: str = ""
    """Of the request."""


@dataclass(frozen=True)
class Observed:
    """A deployment and what belongs to it, as plain API objects. What was not read is left out."""

    deployment: Plain = field(default_factory=dict)
    replica_sets: tuple[Plain, ...] = ()
    pods: tuple[Plain, ...] = ()
    events: tuple[Event, ...] = ()
    autoscaler: Plain | None = None
    """The HorizontalPodAutoscaler, where there is one."""
    nodes: tuple[Plain, ...] = ()
    endpoint_slices: tuple[Plain, ...] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    """By pod name: of its container before the last restart, where it restarted."""
    answers: tuple[Answer, ...] = ()
    """Answers to requests that may have failed."""

    def events_of(self, kind: str, *reasons: str) -> tuple[Event, ...]:
        """Return the events of these reasons about one kind of object."""
        return tuple(event for event in self.events if event.kind == kind and event.reason in reasons)


def failure_of(found: Diagnosis) -> RunFailed:
    """Return a diagnosis as the error it ends a command with."""
    evidence = found.evidence[-1]
    said = "" if evidence in found.summary else f" (the cluster says: {evidence})"
    return RunFailed(f"{found.summary}{said}", found.next_step)
