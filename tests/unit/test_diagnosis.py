from typing import Any

import builders
import pytest
from builders import STARTED_AT, deployment_event, failure_count, scaling_decision

from foodbench.analysis.diagnosis import explain
from foodbench.records.runs import CellResult

REFUSED = builders.load_result(failures=(failure_count(),))


def cell(*events: Any, **changes: Any) -> CellResult:
    return builders.cell_result(events=events, **changes)


def warning(reason: str, at_s: float, message: str) -> Any:
    return deployment_event(type="Warning", reason=reason, time_s=STARTED_AT + at_s, message=message)


UNREADY = warning("Unhealthy", 12.4, "readiness probe timed out after 1 s")
KILLED = warning("OOMKilled", 3.0, "killed")

CASES: dict[str, tuple[CellResult, str]] = {
    "nothing to explain": (cell(), ""),
    "the report's collapse": (
        cell(UNREADY, load=REFUSED),
        (
            "readiness probe failed at 12.4 s (readiness probe timed out after 1 s);"
            " 1,033 connections refused from 12.4 to 20.2 s"
        ),
    ),
    "a warning while it started is no cause": (
        cell(warning("Unhealthy", -5, "not yet"), load=REFUSED),
        (
            "no event names a cause, the first error was: [Errno 111] Connection refused;"
            " 1,033 connections refused from 12.4 to 20.2 s"
        ),
    ),
    "out of memory": (
        cell(KILLED, KILLED, resources=builders.resource_summary(memory_per_replica_peak_bytes=4 * builders.GIB)),
        "replica OOMKilled 2 times: peak 4,096 MiB of 4,096 MiB, first at 3.0 s",
    ),
    "crash": (
        cell(warning("BackOff", 4.0, "code 139"), load=REFUSED),
        "replica ended and was restarted: code 139; 1,033 connections refused from 12.4 to 20.2 s",
    ),
    "shed": (
        cell(load=builders.load_result(failures=(failure_count(kind="shed", count=7, first_at_s=1.0, last_at_s=2.0),))),
        (
            "more requests came than the service can answer: its queue was full;"
            " 7 requests shed (503 with Retry-After) from 1.0 to 2.0 s"
        ),
    ),
    "shed at the most replicas": (
        cell(
            variant=builders.variant(mode="hpa"),
            scaling_decisions=(scaling_decision(desired_replicas=5),),
            load=builders.load_result(failures=(failure_count(kind="shed", count=1, first_at_s=1.0, last_at_s=1.0),)),
        ),
        (
            "more requests came than the service can answer with all its replicas: its queue was full;"
            " 1 request shed (503 with Retry-After) at 1.0 s"
        ),
    ),
    "time-outs": (
        cell(load=builders.load_result(failures=(failure_count(kind="timeout", count=2),))),
        "answers took longer than the 30 s a request may take; 2 requests timed out from 12.4 to 20.2 s",
    ),
    "failed": (
        builders.cell_result(status="failed"),
        "replica-1 ended with code 1 before it was ready",
    ),
    "no metrics": (
        cell(
            variant=builders.variant(mode="hpa"),
            scaling_decisions=tuple(
                scaling_decision(
                    time_s=STARTED_AT + at,
                    utilisation_percent=None,
                    ratio=None,
                    recommended_replicas=1,
                    desired_replicas=1,
                )
                for at in (0, 15, 45)
            ),
        ),
        "held at 1 replica for 45 s: there were no metrics",
    ),
    "within tolerance": (
        cell(
            variant=builders.variant(mode="hpa"),
            scaling_decisions=(
                scaling_decision(utilisation_percent=42.0, ratio=1.05, recommended_replicas=1, desired_replicas=1),
            ),
        ),
        "held at 1 replica for 0 s: CPU at most 42 % of the request, target 40 %",
    ),
    "scaled": (cell(variant=builders.variant(mode="hpa"), scaling_decisions=(scaling_decision(),)), ""),
    "throttled": (
        cell(resources=builders.resource_summary(throttled_fraction=0.62)),
        "CPU throttled 62 % of the time by the limit of 1 cores",
    ),
}


@pytest.mark.parametrize(("of", "told"), CASES.values(), ids=CASES.keys())
def test_a_cell_is_explained_in_one_line(of: CellResult, told: str) -> None:
    assert explain(of) == told


def test_an_explanation_has_one_line_whatever_the_message() -> None:
    assert "\n" not in explain(cell(warning("Unhealthy", 1, "first\nsecond\n\nthird"), load=REFUSED))
