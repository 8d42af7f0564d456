"""What a refusal of the API server, or of kubectl on its way there, means."""

from __future__ import annotations

import json
import re
from typing import Any

from foodbench.deploy.kubernetes.findings import Answer, Cause, Diagnosis
from foodbench.deploy.kubernetes.reading import at, objects, text
from foodbench.process import Completed

__all__ = ["METRICS_API", "denial", "diagnose_answer", "diagnose_command", "metrics_absent"]

METRICS_API = "metrics.k8s.io"

FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?P<where> at the cluster scope| in the namespace "[^"]*")?'
)

FROM_SERVER = re.compile(
    r"Error from server(?: \((?P<reason>\w+)\))?: (?P<message>.*?)(?=\nError from server|\Z)", re.DOTALL
)
"""The first refusal: kubectl repeats it for every object that it was given."""

CODES = {
    "AlreadyExists": 409,
    "BadRequest": 400,
    "Conflict": 409,
    "Expired": 410,
    "Forbidden": 403,
    "InternalError": 500,
    "Invalid": 422,
    "NotFound": 404,
    "ServiceUnavailable": 503,
    "Timeout": 504,
    "TooManyRequests": 429,
    "Unauthorized": 401,
}
"""HTTP status by the reason that the API, and kubectl after it, gives in words."""

UNREACHABLE = (
    "Unable to connect to the server",
    "The connection to the server",
    "no route to host",
    "no such host",
    "connection refused",
)

NO_CONTEXT = re.compile(
    r"context was not found|error loading config file|error: stat |context \"[^\"]*\" does not exist"
)

NO_CLUSTER = "The connection to the server localhost:8080 was refused"
"""What kubectl says when no kubeconfig names a cluster: it falls back to this address."""


def diagnose_answer(answer: Answer, *, metrics_needed: bool = False) -> Diagnosis | None:
    """Say why the API refused a request; None where it did not, or where asking again is all that is needed.

    Args:
        answer: Its answer.
        metrics_needed: Whether the deployment cannot do without the metrics API.
    """
    body = _parsed(answer.body)
    if answer.status in (200, 201):
        return _not_allowed(body)
    message = text(body, "message") or " ".join(answer.body.split())
    if METRICS_API in answer.path and (answer.status == 503 or (answer.status == 404 and body is None)):
        return metrics_absent(f"{answer.status} {message}") if metrics_needed else None
    if answer.status == 400 and answer.path.partition("?")[0].endswith("/log"):
        return None
    return _refusal(answer.status, message, _conflicts(body))


def diagnose_command(done: Completed, *, metrics_needed: bool = False) -> Diagnosis | None:
    """Say why kubectl failed; None where it did not, or where its failure is an answer (no such object, a deadline).

    Args:
        done: kubectl, at its end.
        metrics_needed: Whether the deployment cannot do without the metrics API.
    """
    if done.exit_code == 0:
        return None
    last = _last_words(done.error_output)
    if found := _never_asked(done.error_output, last) or _said_by_kubectl(done.error_output, last):
        return found
    if "Metrics API not available" in last:
        return metrics_absent(last) if metrics_needed else None
    said = FROM_SERVER.search(done.error_output)
    return None if said is None else _said_by_server(done, said, metrics_needed=metrics_needed)


def _said_by_server(done: Completed, said: re.Match[str], *, metrics_needed: bool) -> Diagnosis | None:
    message = " ".join(said["message"].split())
    status = CODES.get(said["reason"] or "", 500)
    if any(METRICS_API in part for part in done.arguments) and status in (404, 503):
        return metrics_absent(message) if metrics_needed else None
    if "logs" in done.arguments and status == 400:
        return None
    return _refusal(status, message)


def metrics_absent(evidence: str) -> Diagnosis:
    """Return the diagnosis that pods' CPU is not measured, which an autoscaler cannot do without."""
    return Diagnosis(
        "metrics-absent",
        "the cluster does not measure its pods' CPU, so the autoscaler cannot act",
        (evidence,),
        "Install metrics-server or wait until it is ready, or deploy in mode single or lb, which do not need it",
    )


def denial(message: str) -> Diagnosis | None:
    """Say whether a refusal is one of a quota or of an admission controller; None where it is neither."""
    if "exceeded quota" in message:
        details = message.partition("exceeded quota:")[2].strip()
        return Diagnosis(
            "quota-exceeded",
            f"the namespace's quota forbids another pod: {details}",
            (message,),
            "Ask for less CPU, memory or replicas, or have the quota raised",
        )
    admission = ("violates PodSecurity", "admission webhook", "denied the request", "LimitRange", "usage per Container")
    if any(words in message for words in admission) or ("forbidden" in message and not FORBIDDEN.search(message)):
        return Diagnosis(
            "admission-denied",
            "the cluster's rules do not admit the pods",
            (message,),
            "Deploy to a namespace whose rules admit them, or ask its owner",
        )
    return None


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _conflicts(body: Any) -> tuple[str, ...]:
    return tuple(
        f"{text(cause, 'field')}: {text(cause, 'message')}" for cause in objects(at(body, "details"), "causes")
    )


def _not_allowed(body: Any) -> Diagnosis | None:
    """Read a SelfSubjectAccessReview, the API's answer to "may I?"."""
    asked = at(body, "spec", "resourceAttributes")
    if text(body, "kind") != "SelfSubjectAccessReview" or at(body, "status", "allowed") is not False:
        return None
    resource = ".".join(filter(None, (text(asked, "resource"), text(asked, "group"))))
    where = f' in the namespace "{text(asked, "namespace")}"' if text(asked, "namespace") else " at the cluster scope"
    return _forbidden(text(asked, "verb"), resource, where, "the API's answer to whether this is allowed: no")


def _forbidden(verb: str, resource: str, where: str, evidence: str) -> Diagnosis:
    return Diagnosis(
        "forbidden",
        f"you may not {verb} {resource}{where}",
        (evidence,),
        f"Have a role bound that allows the verb {verb} on {resource}, or choose another --context or --namespace",
    )


def _refusal(status: int, message: str, details: tuple[str, ...] = ()) -> Diagnosis | None:
    evidence = details or (message,)
    if status == 401:
        return Diagnosis(
            "unauthorized",
            "the cluster does not know who you are",
            evidence,
            "Log in to the cluster again, or choose another --context",
        )
    if status == 403:
        if (said := FORBIDDEN.search(message)) is not None:
            resource = ".".join(filter(None, (said["resource"], said["group"])))
            return _forbidden(said["verb"], resource, said["where"] or "", message)
        return denial(message)
    if status == 404 and message.startswith(("namespaces ", "error when creating")) and "namespaces " in message:
        return Diagnosis(
            "namespace-missing", "the namespace does not exist", evidence, "Make it, or choose another one"
        )
    return _by_status(status, evidence)


def _by_status(status: int, evidence: tuple[str, ...]) -> Diagnosis | None:
    told: dict[int, tuple[Cause, str, str]] = {
        400: ("invalid-object", "the cluster does not understand what was applied", "Report it, with these words"),
        409: ("conflict", "somebody else has made or changed the same object", "Delete it first, or take another name"),
        422: ("invalid-object", "the cluster refuses the values that were applied", "Correct the value it names"),
        500: ("invalid-object", "the cluster cannot process what was applied", "Report it, with these words"),
        503: ("api-unreachable", "the API server cannot answer now", "Wait until the cluster is up, then try again"),
    }
    if status not in told:
        return None
    cause, summary, next_step = told[status]
    return Diagnosis(cause, f"{summary}: {evidence[0]}", evidence, next_step)


def _last_words(error_output: str) -> str:
    lines = [line for line in error_output.strip().splitlines() if "memcache.go" not in line]
    return lines[-1].strip() if lines else ""


def _never_asked(error_output: str, last: str) -> Diagnosis | None:
    """Say why kubectl did not get as far as asking a server."""
    if NO_CLUSTER in error_output or NO_CONTEXT.search(last):
        no_cluster = "no kubeconfig names a cluster" if NO_CLUSTER in error_output else last.removeprefix("error: ")
        return Diagnosis(
            "wrong-context",
            f"there is no such cluster to talk to: {no_cluster}",
            (last,),
            "Choose one of kubectl config get-contexts with --context, or set KUBECONFIG",
        )
    if any(words in last for words in UNREACHABLE) and "Error from server" not in last:
        return Diagnosis(
            "api-unreachable",
            f"the cluster's API server cannot be reached: {last}",
            (last,),
            "Check that the cluster is running and that its address in the kubeconfig is right",
        )
    return None


def _said_by_kubectl(error_output: str, last: str) -> Diagnosis | None:
    """Read what kubectl says in its own words, whether or not a server was asked."""
    for line in error_output.splitlines():
        if "Apply failed with" in line:
            return _refusal(409, line.strip())
    if "must be logged in" in last:
        return _refusal(401, last)
    if "exceeded its progress deadline" in last:
        return Diagnosis(
            "progress-deadline",
            "the rollout made no progress within its deadline",
            (last,),
            "Look at the events of its pods: kubectl describe pods",
        )
    if last.startswith(("The ", "error: ")) and (
        "is invalid:" in last or "error validating" in last or "parsing" in last
    ):
        return _refusal(422, last)
    return None
