"""Why a pod does not run: rules from its containers' states, its conditions and its events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from foodbench.deploy.kubernetes.findings import Diagnosis, Observed
from foodbench.deploy.kubernetes.reading import (
    Container,
    at,
    condition,
    containers_of,
    cores,
    memory_bytes,
    name_of,
    objects,
    text,
)
from foodbench.quantities import format_bytes

__all__ = ["POD_RULES", "PodRule", "containers", "last_lines"]

PodRule = Callable[[Observed], Diagnosis | None]

MALFORMED_IMAGE = {"InvalidImageName"}

NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError"}

CANNOT_START = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError"}

LOG_LINES = 5
"""Enough to hold an exception's message and where it came from."""

RETRIED_WORDS = re.compile(r"^(Back-off|Error: )")
"""Begin the events that only say that it is being tried again."""


def containers(observed: Observed) -> Iterator[Container]:
    """Yield all containers of all pods."""
    for pod in observed.pods:
        yield from containers_of(pod)


def last_lines(log: str) -> tuple[str, ...]:
    """Return the last lines of a log that say something."""
    return tuple(line.rstrip() for line in log.splitlines() if line.strip())[-LOG_LINES:]


def _image_name_invalid(observed: Observed) -> Diagnosis | None:
    for container in containers(observed):
        if container.waiting_reason in MALFORMED_IMAGE:
            return Diagnosis(
                "image-name-invalid",
                f'"{container.image}" is not a valid image name',
                (f"{container.waiting_reason}: {container.waiting_message}",),
                'Correct it; it is like "registry.example.com/team/model:1", in lower case',
            )
    return None


def _image_pull(observed: Observed) -> Diagnosis | None:
    for container in containers(observed):
        if container.waiting_reason in NO_IMAGE:
            told = [
                event.message
                for event in observed.events_of("Pod", "Failed")
                if event.name == container.pod and not RETRIED_WORDS.match(event.message)
            ]
            evidence = told[-1] if told else container.waiting_message
            return Diagnosis(
                "image-pull",
                f"the image {container.image} cannot be pulled: {_why_not_pulled(evidence)}",
                (f"{container.waiting_reason}: {evidence}",),
                "Push the image to a registry that the nodes can reach, or load it onto them, under exactly this name",
            )
    return None


def _why_not_pulled(message: str) -> str:
    reasons = {
        "not found": "there is no such image or tag",
        "NotFound": "there is no such image or tag",
        "unauthorized": "its registry asks for a login",
        "denied": "its registry does not allow it",
        "no such host": "its registry's name is unknown",
        "connection refused": "its registry does not answer",
        "i/o timeout": "its registry does not answer",
        "x509": "its registry's certificate is not trusted",
        "ErrImageNeverPull": "it is not on the node, and pulling is forbidden",
    }
    return next((reason for words, reason in reasons.items() if words in message), "see the evidence")


def _oom_killed(observed: Observed) -> Diagnosis | None:
    killed = [
        container for container in containers(observed) if any(end.reason == "OOMKilled" for end in container.endings)
    ]
    if not killed:
        return None
    first = killed[0]
    limit = memory_bytes(at(first.spec, "resources", "limits", "memory"))
    above = f" of {format_bytes(limit)}" if limit else ""
    exit_code = next(end.exit_code for end in first.endings if end.reason == "OOMKilled")
    return Diagnosis(
        "oom-killed",
        f"{_pods(len(killed))} needed more memory than the limit{above}",
        (
            f"{first.pod}: OOMKilled, exit code {exit_code}, {first.restarts} restarts",
            *last_lines(observed.logs.get(first.pod, "")),
        ),
        "Give it a larger memory limit, or choose a smaller model or runtime",
    )


def _killed_by_probe(observed: Observed) -> Diagnosis | None:
    """Find containers that run well until their liveness or start-up probe has them killed."""
    restarted = {container.pod for container in containers(observed) if container.restarts and not container.ready}
    for event in observed.events_of("Pod", "Killing"):
        if event.name in restarted and "probe, will be restarted" in event.message:
            failed = [e.message for e in observed.events_of("Pod", "Unhealthy") if e.name == event.name]
            return Diagnosis(
                "probe-misconfigured",
                f"the container is killed again and again because a probe fails: {event.message}",
                (event.message, *failed[-1:]),
                "Correct the probe's port and path, or give the service longer to start",
            )
    return None


def _crash_loop(observed: Observed) -> Diagnosis | None:
    for container in containers(observed):
        if not _crashes(container):
            continue
        end = container.endings[0] if container.endings else None
        lines = last_lines(observed.logs.get(container.pod, "") or (end.message if end else ""))
        ended = f"exit code {end.exit_code}" if end else container.waiting_message
        said = f"; its last line: {lines[-1].strip().rstrip('.')}" if lines else ""
        return Diagnosis(
            "crash-loop",
            f"the container {container.name} ends by itself ({ended}) after every start{said}",
            (f"{container.pod}: {container.restarts} restarts, {ended}", *lines),
            "Correct what its last lines name, or read all of them: kubectl logs --previous",
        )
    return None


def _crashes(container: Container) -> bool:
    if container.ready:
        return False
    if container.waiting_reason == "CrashLoopBackOff":
        return True
    # One end may be bad luck; the second shows that starting again does not help.
    return container.restarts >= (2 if container.running else 1) and bool(container.endings)


def _cannot_start(observed: Observed) -> Diagnosis | None:
    for container in containers(observed):
        if container.waiting_reason in CANNOT_START:
            return Diagnosis(
                "container-cannot-start",
                f"the container {container.name} cannot be started: {container.waiting_message}",
                (f"{container.waiting_reason}: {container.waiting_message}",),
                "Correct what the message names: the image's user and program, or a missing ConfigMap or Secret",
            )
    return None


def _unschedulable(observed: Observed) -> Diagnosis | None:
    being_helped = {event.name for event in observed.events_of("Pod", "TriggeredScaleUp")}
    for pod in observed.pods:
        scheduled = condition(pod, "PodScheduled")
        if text(scheduled, "reason") != "Unschedulable" or name_of(pod) in being_helped:
            continue
        message = text(scheduled, "message")
        return _no_room(observed, pod, message) if "Insufficient" in message else _no_node_takes(message)
    return None


def _no_room(observed: Observed, pod: object, message: str) -> Diagnosis:
    cpu, memory = _asked(observed, pod)
    return Diagnosis(
        "unschedulable",
        f"no node has room for a pod that asks for {cpu:g} CPU and {format_bytes(memory)}{_largest_nodes(observed)}",
        (message,),
        "Ask for less CPU or memory, use fewer replicas, or add a node",
    )


def _no_node_takes(message: str) -> Diagnosis:
    why = message.partition(" available: ")[2].partition(". ")[0] or message
    return Diagnosis(
        "unschedulable",
        f"no node takes the pods: {why.rstrip('.')}",
        (message,),
        "Look at the nodes (kubectl get nodes): one that is not ready or is cordoned has a taint that pods do not tolerate",
    )


def _asked(observed: Observed, pod: object) -> tuple[float, int]:
    specs = objects(pod, "spec", "containers") or objects(observed.deployment, "spec", "template", "spec", "containers")
    requests = [at(spec, "resources", "requests") for spec in specs]
    return sum(cores(at(r, "cpu")) for r in requests), sum(memory_bytes(at(r, "memory")) for r in requests)


def _largest_nodes(observed: Observed) -> str:
    room = [
        (cores(at(node, "status", "allocatable", "cpu")), memory_bytes(at(node, "status", "allocatable", "memory")))
        for node in observed.nodes
    ]
    if not room:
        return ""
    cpu, memory = max(cpu for cpu, _ in room), max(memory for _, memory in room)
    nodes = f"{len(room)} node{'' if len(room) == 1 else 's'}"
    return f"; the largest of {nodes} has {cpu:g} CPU and {format_bytes(memory)} in all"


def _pods(count: int) -> str:
    return "a pod" if count == 1 else f"{count} pods"


POD_RULES: tuple[PodRule, ...] = (
    _image_name_invalid,
    _image_pull,
    _oom_killed,
    _killed_by_probe,
    _crash_loop,
    _cannot_start,
    _unschedulable,
)
"""In this order: what is nearer to the cause first, since an out-of-memory kill shows as a crash loop too."""
