"""Reads plain Kubernetes objects without trusting their shape: what is missing, null or odd reads as empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from foodbench.quantities import parse_bytes, parse_cores

__all__ = [
    "Container",
    "Event",
    "Plain",
    "Termination",
    "at",
    "condition",
    "containers_of",
    "cores",
    "memory_bytes",
    "name_of",
    "objects",
    "read_event",
    "text",
    "whole",
]

Plain: TypeAlias = Mapping[str, Any]
"""A Kubernetes object, as its JSON reads."""


def at(thing: Any, *path: str) -> Any:
    """Return what is at a path of keys, or None where the path ends early."""
    for key in path:
        if not isinstance(thing, Mapping):
            return None
        thing = thing.get(key)
    return thing


def text(thing: Any, *path: str) -> str:
    """Return the text at a path, in one line; empty where there is none."""
    found = at(thing, *path)
    return " ".join(found.split()) if isinstance(found, str) else ""


def whole(thing: Any, *path: str) -> int:
    """Return the whole number at a path; 0 where there is none."""
    found = at(thing, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def objects(thing: Any, *path: str) -> tuple[Plain, ...]:
    """Return the objects of the list at a path; none where there is no list."""
    found = at(thing, *path) if path else thing
    return tuple(item for item in found if isinstance(item, Mapping)) if isinstance(found, list | tuple) else ()


def name_of(thing: Any) -> str:
    """Return an object's name."""
    return text(thing, "metadata", "name")


def condition(thing: Any, kind: str) -> Plain:
    """Return a condition of an object's status; empty where it has none of that kind."""
    for found in objects(thing, "status", "conditions"):
        if text(found, "type") == kind:
            return found
    return {}


def cores(quantity: Any) -> float:
    """Return CPU cores; 0 for what is no such quantity."""
    try:
        return parse_cores(str(quantity))
    except ValueError:
        return 0.0


def memory_bytes(quantity: Any) -> int:
    """Return bytes of memory; 0 for what is no such quantity."""
    written = str(quantity)
    try:
        return int(written) if written.isascii() and written.isdigit() else parse_bytes(written)
    except ValueError:
        return 0


@dataclass(frozen=True)
class Termination:
    """How a container ended."""

    reason: str
    exit_code: int
    message: str


@dataclass(frozen=True)
class Container:
    """One container of one pod: what was asked for, and what it is doing."""

    pod: str
    name: str
    spec: Plain
    image: str
    ready: bool
    restarts: int
    running: bool
    waiting_reason: str
    waiting_message: str
    endings: tuple[Termination, ...]
    """Of the present state and of the one before it, newest first."""


def containers_of(pod: Plain) -> Iterator[Container]:
    """Yield a pod's containers that have a status, initialising ones first."""
    specs = {
        text(spec, "name"): spec for kind in ("initContainers", "containers") for spec in objects(pod, "spec", kind)
    }
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in objects(pod, "status", kind):
            spec = specs.get(text(status, "name"), {})
            yield Container(
                pod=name_of(pod),
                name=text(status, "name"),
                spec=spec,
                image=text(spec, "image") or text(status, "image"),
                ready=at(status, "ready") is True,
                restarts=whole(status, "restartCount"),
                running=isinstance(at(status, "state", "running"), Mapping),
                waiting_reason=text(status, "state", "waiting", "reason"),
                waiting_message=text(status, "state", "waiting", "message"),
                endings=tuple(_endings(status)),
            )


def _endings(status: Plain) -> Iterator[Termination]:
    for state in ("state", "lastState"):
        ended = at(status, state, "terminated")
        if isinstance(ended, Mapping):
            # The message is the container's own, its lines are kept.
            message = ended.get("message")
            yield Termination(
                text(ended, "reason"), whole(ended, "exitCode"), message if isinstance(message, str) else ""
            )


@dataclass(frozen=True)
class Event:
    """An event, whichever of the two APIs it was read from."""

    kind: str
    """Of the object it is about."""
    name: str
    reason: str
    message: str
    count: int
    last_at: str
    """UTC, ISO 8601 to whole seconds; empty where it was not recorded."""


def read_event(thing: Plain) -> Event:
    """Return an event of core/v1 or of events.k8s.io/v1."""
    about = "involvedObject" if "involvedObject" in thing else "regarding"
    count = whole(thing, "count") or whole(thing, "series", "count") or whole(thing, "deprecatedCount") or 1
    last_at = (
        text(thing, "series", "lastObservedTime")
        or text(thing, "lastTimestamp")
        or text(thing, "deprecatedLastTimestamp")
        or text(thing, "eventTime")
    )
    return Event(
        kind=text(thing, about, "kind"),
        name=text(thing, about, "name"),
        reason=text(thing, "reason"),
        message=text(thing, "message") or text(thing, "note"),
        count=count,
        last_at=last_at[:19],
    )
