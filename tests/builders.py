"""Sample records for tests: valid as they are, any field replaced by keyword.

The figures are those of the report this project implements, so that a test's output reads like a real one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foodbench.records.base import digest_of
from foodbench.records.bundles import Fidelity, RuntimeCost, ServingBundle
from foodbench.records.datasets import DatasetRecord, SplitCount
from foodbench.records.deployments import Deployment, DeploymentEvent, DeploymentState, ReplicaState, ScalingDecision
from foodbench.records.experiments import (
    Autoscaling,
    DataSpec,
    Experiment,
    LoadProfile,
    Mode,
    ModelSpec,
    Recipe,
    Resources,
    Runtime,
    Variant,
)
from foodbench.records.loads import FailureCount, FailureKind, LatencyPercentile, LoadResult, SiegeFigures
from foodbench.records.models import (
    Calibration,
    EpochMetrics,
    Evaluation,
    ModelArtifact,
    ParameterCount,
    ReliabilityBin,
    WeightsUsed,
)
from foodbench.records.provenance import Provenance
from foodbench.records.runs import CellResult, Run, Validity
from foodbench.records.traces import DEPLOYMENT_COLUMNS, LOAD_COLUMNS, REPLICA_COLUMNS, ResourceSummary
from foodbench.store import write_record
from foodbench.streams import StreamWriter

STARTED_AT = 1_700_000_000.0
"""When every sample load begins, seconds since the epoch."""

MIB = 2**20
GIB = 2**30

FOOD11 = (
    "Bread",
    "Dairy product",
    "Dessert",
    "Egg",
    "Fried food",
    "Meat",
    "Noodles/Pasta",
    "Rice",
    "Seafood",
    "Soup",
    "Vegetable/Fruit",
)

PERCENTS = {50.0: 7, 90.0: 64, 95.0: 130, 99.0: 662}
"""Percentile and the samples it needs."""


def wilson(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval, clipped as the records ask."""
    z = 1.959963984540054
    share, spread = correct / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def provenance(**changes: Any) -> Provenance:
    values: dict[str, Any] = {
        "created_at": "2026-01-02T03:04:05Z",
        "host": "bench",
        "operating_system": "Linux 6.12",
        "cpu_model": "Example CPU 3 GHz",
        "cpu_features": ("avx2", "avx512f"),
        "cpu_cores": 16,
        "memory_bytes": 24 * GIB,
        "python_version": "3.11.7",
        "package_versions": {"foodbench": "0.1.0", "tensorflow": "2.21.0"},
        "git_revision": "0123456789ab",
    }
    return Provenance(**values | changes)


def model_spec(**changes: Any) -> ModelSpec:
    values: dict[str, Any] = {"name": "mobilenet", "backbone": "MobileNetV2", "width": 1.0}
    return ModelSpec(**values | changes)


def resources(**changes: Any) -> Resources:
    values: dict[str, Any] = {"cpu_request_cores": 0.5, "cpu_limit_cores": 1.0, "memory_limit_bytes": 4 * GIB}
    return Resources(**values | changes)


def variant(**changes: Any) -> Variant:
    """Build a variant; mode, replicas, autoscaling and name fit one another unless they are given."""
    mode: Mode = changes.get("mode", "single")
    model: str = changes.get("model", "mobilenet")
    runtime: Runtime = changes.get("runtime", "litert")
    values: dict[str, Any] = {
        "name": f"{model}-{runtime}-{mode}",
        "model": model,
        "runtime": runtime,
        "mode": mode,
        "replicas": 5 if mode == "lb" else 1,
        "autoscaling": Autoscaling() if mode == "hpa" else None,
        "resources": resources(),
    }
    return Variant(**values | changes)


def load_profile(**changes: Any) -> LoadProfile:
    return LoadProfile(**changes)


def experiment(**changes: Any) -> Experiment:
    values: dict[str, Any] = {
        "name": "sample",
        "title": "Sample experiment",
        "data": DataSpec(label="Food-11-like (64 px)", path="food11-like-64.tar"),
        "models": (model_spec(),),
        "variants": (variant(),),
        "load": load_profile(),
        "hpa_load": load_profile(duration_s=360.0),
    }
    return Experiment(**values | changes)


def dataset_record(**changes: Any) -> DatasetRecord:
    values: dict[str, Any] = {
        "label": "Food-11-like (64 px)",
        "synthetic": False,
        "classes": FOOD11,
        "digest": "d" * 16,
        "splits": (
            SplitCount(split="training", images_per_class=(897,) * 11),
            SplitCount(split="validation", images_per_class=(312,) * 11),
            SplitCount(split="evaluation", images_per_class=(304,) * 11),
        ),
    }
    return DatasetRecord(**values | changes)


def evaluation(correct: int = 2804, images: int = 3347, **changes: Any) -> Evaluation:
    """Build an evaluation with a confusion matrix that adds up to it."""
    low, high = wilson(correct, images)
    values: dict[str, Any] = {
        "split": "evaluation",
        "images": images,
        "correct": correct,
        "accuracy": correct / images,
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": 0.5118,
        "confusion": _confusion(correct, images, len(FOOD11)),
        "calibration": calibration(correct, images),
        "right": _bits(correct, images),
    }
    return Evaluation(**values | changes)


def calibration(correct: int = 2804, images: int = 3347) -> Calibration:
    """Build a calibration whose images are all in one bin."""
    share = correct / images
    place = min(14, int(15 * share))
    bins = tuple(
        ReliabilityBin(
            low=number / 15,
            high=(number + 1) / 15,
            images=images if number == place else 0,
            confidence=(number + 0.5) / 15 if number == place else None,
            accuracy=share if number == place else None,
        )
        for number in range(15)
    )
    return Calibration(expected_error=abs(share - (place + 0.5) / 15), bins=bins)


def _bits(correct: int, images: int) -> str:
    bits = "1" * correct + "0" * (images - correct)
    padded = bits.ljust(-(-images // 8) * 8, "0")
    return "".join(f"{int(padded[start : start + 8], 2):02x}" for start in range(0, len(padded), 8))


def _confusion(correct: int, images: int, classes: int) -> tuple[tuple[int, ...], ...]:
    matrix = [[0] * classes for _ in range(classes)]
    for number in range(correct):
        matrix[number % classes][number % classes] += 1
    for number in range(images - correct):
        true = number % classes
        matrix[true][(true + 1 + (number // classes) % (classes - 1)) % classes] += 1
    return tuple(tuple(row) for row in matrix)


def epochs(head: int = 20, fine_tuning: int = 5, *, best: float = 0.82) -> tuple[EpochMetrics, ...]:
    """Build curves that rise towards ``best``."""

    def epoch(phase: str, number: int, passed: int) -> EpochMetrics:
        accuracy = best * (1 - 0.6 * math.exp(-passed / 4))
        return EpochMetrics(
            phase="head" if phase == "head" else "fine-tuning",
            epoch=number,
            training_loss=2.2 * math.exp(-passed / 6) + 0.35,
            training_accuracy=min(1.0, accuracy + 0.01 * passed / 5),
            validation_loss=2.2 * math.exp(-passed / 6) + 0.45,
            validation_accuracy=accuracy,
            duration_s=12.5,
        )

    first = tuple(epoch("head", number, number) for number in range(1, head + 1))
    return first + tuple(epoch("fine-tuning", number, head + number) for number in range(1, fine_tuning + 1))


def model_artifact(**changes: Any) -> ModelArtifact:
    spec = changes.get("spec", model_spec())
    values: dict[str, Any] = {
        "digest": digest_of(spec),
        "spec": spec,
        "dataset": dataset_record(),
        "weights": WeightsUsed(kind="imagenet", file_name="weights.h5", sha256="0" * 64),
        "base_parameters": ParameterCount(total=2_257_984, trainable=2_223_872, non_trainable=34_112),
        "model_parameters": 2_272_075,
        "epochs": epochs(),
        "validation_accuracy_head": 0.8037,
        "validation_accuracy_fine_tuned": 0.8151,
        "evaluation": evaluation(),
        "keras_file": "model.keras",
        "keras_file_sha256": "1" * 64,
        "keras_file_bytes": round(12.4 * MIB),
        "training_duration_s": 312.5,
        "provenance": provenance(),
    }
    return ModelArtifact(**values | changes)


def fidelity(**changes: Any) -> Fidelity:
    low, high = wilson(2804, 3347)
    values: dict[str, Any] = {
        "images": 3347,
        "agreement": 1.0,
        "largest_probability_difference": 2e-6,
        "accuracy": 2804 / 3347,
        "accuracy_low": low,
        "accuracy_high": high,
    }
    return Fidelity(**values | changes)


def runtime_cost(**changes: Any) -> RuntimeCost:
    values: dict[str, Any] = {
        "import_ms": 120.0,
        "load_ms": 31.5,
        "memory_imported_bytes": 60 * MIB,
        "memory_loaded_bytes": 91 * MIB,
        "threads": 16,
        "latency_threads_ms": 2.5,
    }
    return RuntimeCost(**values | changes)


def serving_bundle(**changes: Any) -> ServingBundle:
    runtime = changes.get("runtime", "litert")
    model_digest = changes.get("model_digest", model_artifact().digest)
    values: dict[str, Any] = {
        "digest": digest_of(model_digest, runtime),
        "model_digest": model_digest,
        "model_name": "mobilenet",
        "runtime": runtime,
        "weights_file": "model.tflite",
        "weights_sha256": "2" * 64,
        "weights_bytes": round(8.9 * MIB),
        "disk_bytes": round(9.27 * MIB),
        "fidelity": fidelity(),
        "latency_ms": 7.0,
        "provenance": provenance(),
    }
    return ServingBundle(**values | changes)


def deployment(**changes: Any) -> Deployment:
    values: dict[str, Any] = {
        "id": "sample-0001",
        "variant": variant(),
        "bundle_digest": serving_bundle().digest,
        "model_digest": model_artifact().digest,
        "created_at": "2026-01-02T03:04:05Z",
    }
    return Deployment(**values | changes)


def replica_state(**changes: Any) -> ReplicaState:
    values: dict[str, Any] = {
        "name": "replica-1",
        "pid": 4242,
        "started_at": STARTED_AT,
        "port": 5001,
        "phase": "ready",
    }
    return ReplicaState(**values | changes)


def deployment_state(**changes: Any) -> DeploymentState:
    values: dict[str, Any] = {
        "id": "sample-0001",
        "phase": "available",
        "supervisor_pid": 4241,
        "supervisor_started_at": STARTED_AT,
        "url": "http://127.0.0.1:5000",
        "replicas": (replica_state(),),
        "desired_replicas": 1,
        "cpu_limiter": "cgroup-v2",
        "memory_limit_enforced": True,
        "load_balancer": "haproxy",
        "load_balancer_pid": 4243,
        "updated_at": STARTED_AT,
    }
    return DeploymentState(**values | changes)


def deployment_event(**changes: Any) -> DeploymentEvent:
    values: dict[str, Any] = {
        "time_s": STARTED_AT,
        "type": "Normal",
        "reason": "Ready",
        "replica": "replica-1",
        "message": "replica-1 is ready",
    }
    return DeploymentEvent(**values | changes)


def scaling_decision(**changes: Any) -> ScalingDecision:
    values: dict[str, Any] = {
        "time_s": STARTED_AT + 15,
        "current_replicas": 1,
        "utilisation_percent": 160.0,
        "ratio": 4.0,
        "recommended_replicas": 4,
        "desired_replicas": 4,
        "limited_by": "",
    }
    return ScalingDecision(**values | changes)


def siege_figures(**changes: Any) -> SiegeFigures:
    values: dict[str, Any] = {
        "transactions": 465,
        "availability_percent": 100.0,
        "elapsed_s": 29.49,
        "data_transferred_mib": 0.02,
        "response_time_s": 0.63,
        "transactions_per_s": 15.77,
        "throughput_mib_per_s": 0.0007,
        "concurrency": 9.92,
        "successful_transactions": 465,
        "failed_transactions": 0,
        "longest_transaction_s": 1.82,
        "shortest_transaction_s": 0.25,
    }
    return SiegeFigures(**values | changes)


def failure_count(**changes: Any) -> FailureCount:
    values: dict[str, Any] = {
        "kind": "connection-refused",
        "count": 1033,
        "first_at_s": 12.4,
        "last_at_s": 20.2,
        "example": "[Errno 111] Connection refused",
    }
    return FailureCount(**values | changes)


def percentiles(transactions: int = 465, middle_ms: float = 600.0) -> tuple[LatencyPercentile, ...]:
    """Build p50 to p99; None where there are too few transactions."""
    return tuple(
        LatencyPercentile(
            percent=percent,
            latency_ms=middle_ms * (1 + percent / 100) if transactions >= needed else None,
            samples_needed=needed,
        )
        for percent, needed in PERCENTS.items()
    )


def load_result(**changes: Any) -> LoadResult:
    figures = changes.get("figures", siege_figures())
    values: dict[str, Any] = {
        "profile": load_profile(),
        "url": "http://127.0.0.1:5000/test",
        "started_at": STARTED_AT,
        "figures": figures,
        "percentiles": percentiles(figures.transactions, figures.response_time_s * 700),
        "failures": (),
        "samples": figures.transactions + figures.failed_transactions,
        "samples_file": "samples.arrows",
        "complete": True,
        "generator_cpu_cores": 0.1,
    }
    return LoadResult(**values | changes)


def resource_summary(**changes: Any) -> ResourceSummary:
    values: dict[str, Any] = {
        "samples": 30,
        "gaps": 0,
        "memory_loaded_bytes": round(288.1 * MIB),
        "memory_per_replica_mean_bytes": 310 * MIB,
        "memory_per_replica_peak_bytes": 322 * MIB,
        "memory_total_mean_bytes": 310 * MIB,
        "memory_total_peak_bytes": 322 * MIB,
        "cpu_total_mean_cores": 0.97,
        "replicas_mean": 1.0,
        "replicas_peak": 1,
        "throttled_fraction": 0.31,
    }
    return ResourceSummary(**values | changes)


def run(**changes: Any) -> Run:
    values: dict[str, Any] = {
        "id": "20260102T030405-abcd",
        "experiment": experiment(),
        "provenance": provenance(),
    }
    return Run(**values | changes)


def cell_result(**changes: Any) -> CellResult:
    """Build a measured cell, or a failed one (``status="failed"``) without figures."""
    of = changes.get("variant", variant())
    repeat = changes.get("repeat", 1)
    model = model_artifact(spec=model_spec(name=of.model))
    failed = changes.get("status") == "failed"
    values: dict[str, Any] = {
        "cell": f"{of.name}.{repeat}",
        "variant": of,
        "repeat": repeat,
        "model_digest": model.digest,
        "bundle_digest": digest_of(model.digest, of.runtime),
        "status": "measured",
        "failure": "replica-1 ended with code 1 before it was ready" if failed else "",
        "load": None if failed else load_result(),
        "resources": None if failed else resource_summary(replicas_mean=of.replicas, replicas_peak=of.most_replicas),
        "validity": Validity(valid=False, cause="nothing was measured", fix="see the failure")
        if failed
        else Validity(valid=True),
        "cpu_limiter": "cgroup-v2",
        "memory_limit_enforced": True,
        "load_balancer": "haproxy",
        "ready_after_s": None if failed else 3.2,
    }
    return CellResult(**values | changes)


def report_models() -> tuple[ModelArtifact, ...]:
    """Build the report's three models."""
    previous = model_artifact(
        spec=model_spec(name="previous", backbone="VGG16", width=None),
        base_parameters=ParameterCount(total=14_714_688, trainable=14_714_688, non_trainable=0),
        evaluation=evaluation(2551, loss=0.71),
        keras_file_bytes=round(9.27 * MIB),
    )
    resnet = model_artifact(
        spec=model_spec(name="resnet101v2", backbone="ResNet101V2", width=None),
        base_parameters=ParameterCount(total=42_626_560, trainable=42_528_896, non_trainable=97_664),
        validation_accuracy_head=0.8249,
        validation_accuracy_fine_tuned=0.8598,
        evaluation=evaluation(2836, loss=0.4586),
        keras_file_bytes=172 * MIB,
    )
    return previous, model_artifact(), resnet


def report_bundles() -> tuple[ServingBundle, ...]:
    """Build a LiteRT bundle of each of the report's three models."""
    return tuple(
        serving_bundle(
            model_digest=model.digest,
            model_name=model.spec.name,
            disk_bytes=model.keras_file_bytes,
            fidelity=fidelity(
                accuracy=model.evaluation.accuracy,
                accuracy_low=model.evaluation.accuracy_low,
                accuracy_high=model.evaluation.accuracy_high,
            ),
        )
        for model in report_models()
    )


def report_cells() -> tuple[CellResult, ...]:
    """Build the report's five variants with its own figures; ResNet101V2 alone collapses as it did there."""
    return (
        _report_cell("previous", "single", (465, 0, 29.49, 0.63, 9.92, 1.82, 0.25), 311.5),
        _report_cell("mobilenet", "single", (461, 0, 29.54, 0.63, 9.86, 2.00, 0.39), 288.1),
        _report_cell("resnet101v2", "single", (97, 1033, 20.29, 1.67, 7.98, 2.68, 0.54), 404.9),
        _report_cell("resnet101v2", "lb", (542, 0, 29.66, 0.54, 9.91, 1.46, 0.16), 642.2),
        _report_cell("resnet101v2", "hpa", (8346, 0, 359.80, 0.43, 9.99, 1.49, 0.16), 1328.8),
    )


def _report_cell(
    model: str, mode: Mode, measured: tuple[int, int, float, float, float, float, float], memory_mib: float
) -> CellResult:
    transactions, failed, elapsed_s, response_s, concurrency, longest_s, shortest_s = measured
    of = variant(name=f"{model}-{mode}", model=model, mode=mode)
    digests = {artifact.spec.name: artifact.digest for artifact in report_models()}
    replicas = {"single": 1.0, "lb": 5.0, "hpa": 4.1}[mode]
    per_replica = round(memory_mib * MIB)
    return cell_result(
        variant=of,
        model_digest=digests[model],
        bundle_digest=digest_of(digests[model], of.runtime),
        load=load_result(
            profile=load_profile(duration_s=360.0 if mode == "hpa" else 30.0),
            figures=siege_figures(
                transactions=transactions,
                availability_percent=100 * transactions / (transactions + failed),
                elapsed_s=elapsed_s,
                data_transferred_mib=transactions * 40 / MIB,
                response_time_s=response_s,
                transactions_per_s=transactions / elapsed_s,
                throughput_mib_per_s=transactions * 40 / MIB / elapsed_s,
                concurrency=concurrency,
                successful_transactions=transactions,
                failed_transactions=failed,
                longest_transaction_s=longest_s,
                shortest_transaction_s=shortest_s,
            ),
            failures=(failure_count(count=failed),) if failed else (),
            complete=failed == 0,
        ),
        resources=resource_summary(
            memory_loaded_bytes=per_replica,
            memory_per_replica_mean_bytes=per_replica,
            memory_per_replica_peak_bytes=round(per_replica * 1.05),
            memory_total_mean_bytes=round(per_replica * replicas),
            memory_total_peak_bytes=round(per_replica * of.most_replicas * 1.05),
            cpu_total_mean_cores=0.9 * replicas,
            replicas_mean=replicas,
            replicas_peak=of.most_replicas,
        ),
        validity=Validity(valid=True)
        if failed == 0
        else Validity(valid=False, cause="the load ended before its time", fix="read why requests failed"),
    )


def report_run() -> Run:
    """Build the run that ``report_cells`` belong to."""
    return run(
        experiment=experiment(
            name="paper",
            title="The report's five variants",
            models=tuple(model.spec for model in report_models()),
            variants=tuple(cell.variant for cell in report_cells()),
        )
    )


def write_run(
    results: Path,
    *,
    of: Run | None = None,
    cells: Sequence[CellResult] | None = None,
    models: Sequence[ModelArtifact] | None = None,
    bundles: Sequence[ServingBundle] | None = None,
    most_samples: int = 400,
) -> Path:
    """Write a run folder as the pipeline leaves it, the report's by default.

    Args:
        results: The results folder.
        of: The run.
        cells: Its cells, in the order in which they were measured.
        models: Records copied into the run folder.
        bundles: Records copied into the run folder.
        most_samples: A cell's stream holds no more rows than this; its figures stay as they are.

    Returns:
        The run's folder.
    """
    of = of or report_run()
    directory = results / of.experiment.name / of.id
    write_record(directory / "run.json", of)
    for model in report_models() if models is None else models:
        write_record(directory / "models" / f"{model.digest}.json", model)
    for bundle in report_bundles() if bundles is None else bundles:
        write_record(directory / "bundles" / f"{bundle.digest}.json", bundle)
    for cell in report_cells() if cells is None else cells:
        folder = directory / "cells" / cell.cell
        if cell.load is not None:
            write_samples(folder / "samples.arrows", cell.load, most_samples)
        if cell.resources is not None:
            write_traces(folder, cell, cell.load.figures.elapsed_s if cell.load else 30.0)
        write_record(folder / "cell.json", cell)
    return directory


def write_samples(path: Path, load: LoadResult, most_samples: int = 400) -> None:
    """Write requests like those ``load`` counts: transactions first, its failures within their times."""
    figures, chance = load.figures, random.Random(1)
    transactions = min(figures.transactions, most_samples)
    with StreamWriter(path, LOAD_COLUMNS) as stream:
        for number in range(transactions):
            spread = chance.betavariate(2, 5)
            latency_s = figures.shortest_transaction_s + spread * (
                figures.longest_transaction_s - figures.shortest_transaction_s
            )
            stream.add(
                {
                    "started_at": load.started_at + figures.elapsed_s * number / transactions,
                    "latency_ms": 1000 * latency_s,
                    "status": 200,
                    "received_bytes": 220,
                    "failure": "",
                    "detail": "",
                }
            )
        for failure in load.failures:
            _add_failures(stream, load.started_at, failure, most_samples)


def _add_failures(stream: StreamWriter, started_at: float, failure: FailureCount, most: int) -> None:
    rows = min(failure.count, most)
    statuses: dict[FailureKind, int] = {"http-408": 408, "http-5xx": 500, "shed": 503}
    for number in range(rows):
        stream.add(
            {
                "started_at": started_at
                + failure.first_at_s
                + (failure.last_at_s - failure.first_at_s) * number / max(1, rows - 1),
                "latency_ms": 1.5,
                "status": statuses.get(failure.kind, 0),
                "received_bytes": 0,
                "failure": failure.kind,
                "detail": failure.example,
            }
        )


def write_traces(folder: Path, cell: CellResult, duration_s: float) -> None:
    """Write a sample a second of every replica, and of how many there are; mode hpa climbs to its most."""
    assert cell.resources is not None
    seconds = min(120, max(2, round(duration_s)))
    step_s = duration_s / seconds
    with (
        StreamWriter(folder / "replicas.arrows", REPLICA_COLUMNS) as usage,
        StreamWriter(folder / "replica_counts.arrows", DEPLOYMENT_COLUMNS) as counts,
    ):
        for second in range(seconds + 1):
            time_s = STARTED_AT + second * step_s
            desired = _replicas_at(cell.variant, second / seconds)
            ready = _replicas_at(cell.variant, max(0.0, (second - 1) / seconds))
            counts.add({"time_s": time_s, "ready_replicas": ready, "desired_replicas": desired})
            for number in range(1, ready + 1):
                usage.add(
                    {
                        "time_s": time_s,
                        "replica": f"replica-{number}",
                        "memory_bytes": cell.resources.memory_per_replica_mean_bytes + (second % 7) * MIB,
                        "cpu_cores": math.nan if second == 0 else 0.9 + 0.02 * (second % 5),
                        "throttled_s": 0.3 * second,
                        "ready": True,
                        "memory_peak_bytes": cell.resources.memory_per_replica_peak_bytes,
                        "restarts": 0,
                        "connections": 16.0 * second,
                        "requests": 16.0 * second,
                        "shed": 0.0,
                        "queue_depth": float(second % 4),
                    }
                )


def _replicas_at(of: Variant, share: float) -> int:
    if of.autoscaling is None:
        return of.replicas
    return min(of.most_replicas, of.replicas + int(share * 6))


def recipe(**changes: Any) -> Recipe:
    return Recipe(**changes)
