"""Against the course's way of serving: the same model, the same photograph, the same ten users, the same cores."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from foodbench.records.names import Runtime

from .bundles import BenchModel, bundle_for
from .clients import siege
from .servers import Server, course_server, our_service
from .tables import Goal, Table, mebibytes

__all__ = ["COMPARISONS", "Comparison", "Round", "compare", "siege_once"]


NO_GOAL = Goal()
NO_GOAL_FOR_RATE = Goal(unit="x")


@dataclass(frozen=True)
class Comparison:
    """What one runtime should reach against Flask, and with how much of its memory."""

    runtime: Runtime
    rate: Goal = NO_GOAL_FOR_RATE
    memory: Goal = NO_GOAL


COMPARISONS: dict[str, tuple[Comparison, ...]] = {
    "MobileNetV2": (
        Comparison("litert-int8", Goal(least=10, unit="x"), Goal(most=1 / 8)),
        Comparison("litert", Goal(least=7.5, unit="x"), Goal(most=1 / 6)),
        Comparison("openvino-int8"),
        Comparison("openvino-f32"),
        Comparison("onnx"),
    ),
    "ResNet101V2": (
        Comparison("openvino-int8", Goal(least=5, unit="x")),
        Comparison("litert-int8"),
        Comparison("openvino-bf16", Goal(least=3.5, unit="x")),
        Comparison("openvino-f32", Goal(least=1.9, unit="x")),
        Comparison("litert"),
    ),
    "VGG16": (Comparison("openvino-int8", Goal(least=4.5, unit="x")), Comparison("litert-int8")),
}


@dataclass(frozen=True)
class Round:
    """One siege of a server."""

    transactions: float
    elapsed_s: float
    response_s: float
    failed: int
    memory_bytes: int
    cpu_ms: float
    """Of one request: comparable even where others take part of the machine."""

    @property
    def rate(self) -> float:
        """Transactions a second."""
        return self.transactions / self.elapsed_s


def compare(
    model: BenchModel,
    test_image: bytes,
    title: str,
    directory: Path,
    *,
    pairs: int,
    duration_s: int,
    every_runtime: bool,
) -> Table:
    """Measure the course's server and ours in turn, ``pairs`` times each.

    All of them run throughout, idle but for the one under load, so that each is measured warm.

    Args:
        model: What both serve.
        test_image: What /test predicts on both sides.
        title: Names the photograph.
        directory: Bundles are made here.
        pairs: Rounds of all servers.
        duration_s: Of one siege.
        every_runtime: Measure those without a goal too.
    """
    photograph = directory / "photograph.jpg"
    photograph.write_bytes(test_image)
    comparisons = [one for one in COMPARISONS[model.spec.backbone] if every_runtime or one.rate.least is not None]
    bundles = {one.runtime: bundle_for(model, one.runtime, test_image, directory) for one in comparisons}
    with ExitStack() as stack:
        course = stack.enter_context(course_server(model, photograph))
        ours = {name: stack.enter_context(our_service(bundle)) for name, bundle in bundles.items()}
        precisions = {name: str(server.info()["precision"]) for name, server in ours.items()}
        rounds: dict[str, list[Round]] = {name: [] for name in ("course", *ours)}
        for _ in range(pairs):
            for name, server in (("course", course), *ours.items()):
                rounds[name].append(siege_once(server, duration_s))
    baseline = rounds["course"]
    rows = [_row("Flask + model.predict", "float32", baseline)]
    rows += [
        _row(one.runtime, precisions[one.runtime], rounds[one.runtime], baseline=baseline, goals=one)
        for one in comparisons
    ]
    columns = (
        "Service",
        "Computes in",
        "Transactions/s",
        "Response s",
        "CPU ms",
        "Failed",
        "Resident MiB",
        "Rate",
        "Memory",
    )
    heading = f"{model.spec.backbone} ({model.mark}), {title}, median of {pairs} rounds of {duration_s} s"
    return Table(heading, columns, tuple(rows))


def siege_once(server: Server, duration_s: int) -> Round:
    """Load a server's /test with siege's ten users for that long."""
    before_s = server.cpu_s()
    figures = siege(server.url + "/test", duration_s=duration_s)
    return Round(
        transactions=figures["transactions"],
        elapsed_s=figures["elapsed_time"],
        response_s=figures["response_time"],
        failed=figures["failed_transactions"],
        memory_bytes=server.memory_bytes(),
        cpu_ms=1000 * (server.cpu_s() - before_s) / figures["transactions"],
    )


def _row(
    name: str,
    precision: str,
    rounds: list[Round],
    *,
    baseline: list[Round] | None = None,
    goals: Comparison | None = None,
) -> tuple[str, ...]:
    memory_bytes = statistics.median(one.memory_bytes for one in rounds)
    rate_ratio = memory_ratio = ""
    if baseline is not None and goals is not None:
        # Within a round both sides met the same state of a shared machine.
        rate_ratio = goals.rate.verdict(
            statistics.median(a.rate / b.rate for a, b in zip(rounds, baseline, strict=True))
        )
        memory_ratio = goals.memory.verdict(memory_bytes / statistics.median(one.memory_bytes for one in baseline))
    return (
        name,
        precision,
        f"{statistics.median(one.rate for one in rounds):.1f}",
        f"{statistics.median(one.response_s for one in rounds):.3f}",
        f"{statistics.median(one.cpu_ms for one in rounds):.1f}",
        str(sum(one.failed for one in rounds)),
        mebibytes(memory_bytes),
        rate_ratio,
        memory_ratio,
    )
