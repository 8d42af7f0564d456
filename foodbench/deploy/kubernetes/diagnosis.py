"""From what a cluster says about a deployment to the one cause why it does not work, the evidence and the next step.

Pure: everything is read from plain API objects and answers, nothing is asked here. A cause is named only where waiting
does not help, so a wait may end at once on a diagnosis; what may still come right by itself gives None.
"""

from __future__ import annotations

from foodbench.deploy.kubernetes.answers import denial, diagnose_answer, metrics_absent
from foodbench.deploy.kubernetes.findings import Diagnosis, Observed
from foodbench.deploy.kubernetes.pod_rules import POD_RULES, PodRule
from foodbench.deploy.kubernetes.probe_rules import PROBE_RULES
from foodbench.deploy.kubernetes.reading import condition, text, whole

__all__ = ["diagnose"]

METRICS_API_MISSING = ("could not find the requested resource", "unable to handle the request")

SYNCS_WITHOUT_METRICS = 8
"""Two minutes at the autoscaler's 15 s: a new pod's first metrics take up to one."""


def diagnose(observed: Observed) -> Diagnosis | None:
    """Return the one cause why a deployment does not work, or None where no fault is seen.

    Where several rules find something, the one nearest to the cause is named: what was refused, then what keeps a pod from
    running, then what keeps a running one from its requests, then what keeps the autoscaler from acting.
    """
    for rule in RULES:
        if (found := rule(observed)) is not None:
            return found
    return None


def _refused(observed: Observed) -> Diagnosis | None:
    for answer in observed.answers:
        if found := diagnose_answer(answer, metrics_needed=observed.autoscaler is not None):
            return found
    return None


def _not_created(observed: Observed) -> Diagnosis | None:
    for owner in (observed.deployment, *observed.replica_sets):
        failure = condition(owner, "ReplicaFailure")
        if text(failure, "status") == "True":
            return _creation_failure(text(failure, "message"))
    missing = whole(observed.deployment, "spec", "replicas") > len(observed.pods)
    for event in reversed(observed.events_of("ReplicaSet", "FailedCreate")):
        if missing:
            return _creation_failure(event.message)
    return None


def _creation_failure(message: str) -> Diagnosis:
    return denial(message) or Diagnosis(
        "admission-denied",
        "the cluster does not create the pods",
        (message,),
        "Correct what the message names",
    )


def _out_of_time(observed: Observed) -> Diagnosis | None:
    progressing = condition(observed.deployment, "Progressing")
    if text(progressing, "reason") != "ProgressDeadlineExceeded":
        return None
    warnings = [
        f"{event.reason}: {event.message} ({event.count} times)"
        for event in observed.events
        if event.reason
        in ("Unhealthy", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "BackOff", "Failed")
    ]
    ready, wanted = (
        whole(observed.deployment, "status", "readyReplicas"),
        whole(observed.deployment, "status", "replicas"),
    )
    deadline_s = whole(observed.deployment, "spec", "progressDeadlineSeconds") or 600
    return Diagnosis(
        "progress-deadline",
        f"{ready} of {wanted} replicas were ready when the deadline of {deadline_s} s had passed",
        (text(progressing, "message"), *warnings[-1:]),
        "Look at the pods' logs and events, or give the service longer to start",
    )


def _no_metrics(observed: Observed) -> Diagnosis | None:
    active = condition(observed.autoscaler, "ScalingActive")
    if text(active, "status") != "False" or text(active, "reason") != "FailedGetResourceMetric":
        return None
    message = text(active, "message")
    syncs = sum(event.count for event in observed.events_of("HorizontalPodAutoscaler", "FailedGetResourceMetric"))
    if any(words in message for words in METRICS_API_MISSING) or syncs >= SYNCS_WITHOUT_METRICS:
        return metrics_absent(message)
    return None


RULES: tuple[PodRule, ...] = (_refused, *POD_RULES, _not_created, *PROBE_RULES, _out_of_time, _no_metrics)
