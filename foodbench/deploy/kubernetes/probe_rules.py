"""Why a running pod gets no requests, or lost some: rules from probes, their events and what they ask."""

from __future__ import annotations

import re

from foodbench.deploy.kubernetes.findings import Diagnosis, Observed
from foodbench.deploy.kubernetes.pod_rules import PodRule, containers
from foodbench.deploy.kubernetes.reading import Container, Event, at, condition, containers_of, objects, text, whole

__all__ = ["PROBE_RULES"]

DEFAULT_FAILURE_THRESHOLD = 3
"""Kubernetes' own, where a probe names none."""

TIMED_OUT = ("context deadline exceeded", "Client.Timeout", "timed out", "timeout:")

WRONG_ANSWER = re.compile(r"statuscode: (4\d\d)|server gave HTTP response to HTTPS client|malformed HTTP")
"""What no waiting will change: a path that is not there, or another protocol."""


def _probe_misconfigured(observed: Observed) -> Diagnosis | None:
    for container in containers(observed):
        if container.ready or not container.running:
            continue
        for event in _failed_probes(observed, container.pod):
            kind = event.message.partition(" ")[0].lower()
            probe = at(container.spec, f"{kind}Probe")
            if event.count >= _threshold(probe) and (why := _never_right(container, probe, event.message)):
                return Diagnosis(
                    "probe-misconfigured",
                    f"the {kind} probe of {container.name} can never succeed: {why}",
                    (f"{event.message} ({event.count} times)",),
                    "Correct the probe's port, path or scheme",
                )
    return None


def _never_right(container: Container, probe: object, message: str) -> str:
    asked = at(probe, "httpGet", "port") or at(probe, "tcpSocket", "port") or at(probe, "grpc", "port")
    ports = objects(container.spec, "ports")
    known = {value for port in ports for value in (at(port, "containerPort"), at(port, "name"))}
    if known and asked is not None and asked not in known:
        declared = ", ".join(str(whole(port, "containerPort")) for port in ports)
        return f"it asks on port {asked}, the container listens on {declared}"
    if found := WRONG_ANSWER.search(message):
        path = text(probe, "httpGet", "path")
        return f"{path} is answered with status {found[1]}" if found[1] else "the service speaks another protocol there"
    return ""


def _readiness_flap(observed: Observed) -> Diagnosis | None:
    """Find readiness probes that timed out after the rollout had been complete: under load, not while starting."""
    complete_at = _complete_at(observed)
    if not complete_at:
        return None
    for pod in observed.pods:
        for container in containers_of(pod):
            for event in _failed_probes(observed, container.pod, "Readiness"):
                probe = at(container.spec, "readinessProbe")
                timed_out = any(words in event.message for words in TIMED_OUT)
                if not timed_out or event.count < _threshold(probe) or event.last_at <= complete_at:
                    continue
                return _flap(observed, container, event, whole(probe, "timeoutSeconds") or 1)
    return None


def _flap(observed: Observed, container: Container, event: Event, timeout_s: int) -> Diagnosis:
    endpoints = [endpoint for item in observed.endpoint_slices for endpoint in objects(item, "endpoints")]
    ready = sum(at(endpoint, "conditions", "ready") is True for endpoint in endpoints)
    path = text(at(container.spec, "readinessProbe"), "httpGet", "path")
    return Diagnosis(
        "readiness-flap",
        f"the readiness probe {path} timed out {event.count} times ({timeout_s} s) on a pod that had been ready and never "
        f"crashed ({container.restarts} restarts): under load the pod is taken out of the Service and connections are refused",
        (
            f"{event.message} ({event.count} times, last at {event.last_at}Z)",
            *([f"{ready} of {len(endpoints)} endpoints ready now"] if endpoints else []),
        ),
        "Let the probe ask /readyz, which runs no prediction, or give it a longer timeout",
    )


def _complete_at(observed: Observed) -> str:
    progressing = condition(observed.deployment, "Progressing")
    if text(progressing, "reason") != "NewReplicaSetAvailable":
        return ""
    return text(progressing, "lastUpdateTime")[:19]


def _abrupt_scale_down(observed: Observed) -> Diagnosis | None:
    """Find pods that were told to stop and cut their connections off."""
    specs = objects(observed.deployment, "spec", "template", "spec", "containers")
    if any(at(spec, "lifecycle", "preStop") for spec in specs):
        return None
    stopped = {event.name for event in observed.events_of("Pod", "Killing") if "Stopping container" in event.message}
    for event in observed.events_of("Pod", "Unhealthy"):
        if event.name in stopped and "connection reset by peer" in event.message:
            return Diagnosis(
                "abrupt-scale-down",
                "pods that were scaled down cut off the requests under way, while the Service still led to them",
                (event.message, f"{event.name} was stopped; its container has no preStop hook"),
                "Add a preStop sleep of 5 s, or a service that goes on answering for a while after SIGTERM",
            )
    return None


def _failed_probes(observed: Observed, pod: str, kind: str = "") -> list[Event]:
    return [
        event
        for event in observed.events_of("Pod", "Unhealthy")
        if event.name == pod and event.message.startswith(kind) and " probe " in event.message
    ]


def _threshold(probe: object) -> int:
    return whole(probe, "failureThreshold") or DEFAULT_FAILURE_THRESHOLD


PROBE_RULES: tuple[PodRule, ...] = (_probe_misconfigured, _readiness_flap, _abrupt_scale_down)
