"""From an experiment to its results: each stage is handed the records of the one before.

    models → bundles → for each cell: deploy, load and watch, delete → report

A cell is one variant measured once. Every function here can be called again: what is already on
disk is taken from there.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from foodbench.errors import InputError, RunFailed
from foodbench.isolation import run_isolated
from foodbench.progress import Progress
from foodbench.provenance import read_provenance, utc_now
from foodbench.records.deployments import Deployment, DeploymentState
from foodbench.records.experiments import Experiment, ModelSpec, Runtime, Variant
from foodbench.records.runs import CellResult, Run, Validity
from foodbench.records.traces import DEPLOYMENT_COLUMNS, REPLICA_COLUMNS
from foodbench.store import Store, read_run, write_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from foodbench.data.dataset import Dataset
    from foodbench.deploy.target import Target
    from foodbench.records.bundles import ServingBundle
    from foodbench.records.datasets import DatasetRecord, Split
    from foodbench.records.experiments import DataSpec, LoadProfile
    from foodbench.records.loads import LoadResult
    from foodbench.records.models import Evaluation, ModelArtifact
    from foodbench.records.traces import ReplicaUsage, ResourceSummary, ServiceCounters
    from foodbench.training.judging import JudgedModel

__all__ = [
    "Cell",
    "Judgement",
    "cells_of",
    "ensure_bundles",
    "ensure_models",
    "evaluate",
    "expected_duration_s",
    "keep_provenance_of_models",
    "measure_cell",
    "measure_deployment",
    "new_deployment",
    "new_run",
    "predict",
    "remaining_cells",
    "set_aside_unfinished",
]

SAMPLING_INTERVAL_S = 1.0

START_UP_CPU_S = 2.0
"""CPU time a replica takes until it is ready; only used to say how long a run will take."""


@dataclass(frozen=True)
class Cell:
    """One variant, to be measured for the ``repeat``-th time (from 1)."""

    variant: Variant
    repeat: int

    @property
    def name(self) -> str:
        """Folder name of the cell."""
        return f"{self.variant.name}.{self.repeat}"


@dataclass(frozen=True)
class Judgement:
    """What a model answered, and on what."""

    dataset: DatasetRecord
    evaluation: Evaluation


def cells_of(experiment: Experiment) -> tuple[Cell, ...]:
    """Return the cells of an experiment, all variants once before any is repeated.

    So a disturbance that comes and goes hits all variants alike, not all repeats of one.
    """
    return tuple(
        Cell(variant, repeat) for repeat in range(1, experiment.repeats + 1) for variant in experiment.variants
    )


def expected_duration_s(experiment: Experiment, cell: Cell) -> float:
    """Return about how long a cell takes, from the start of its deployment to its removal."""
    resources = cell.variant.resources
    start_up_s = START_UP_CPU_S / min(resources.cpu_limit_cores, 1.0)
    return start_up_s + experiment.load_for(cell.variant).duration_s + 5.0


# Models and bundles. TensorFlow lives and dies in a process of its own.


def ensure_models(
    data: DataSpec,
    models: Iterable[ModelSpec],
    store: Store,
    *,
    weights_directory: Path | None,
    progress: Progress,
) -> tuple[ModelArtifact, ...]:
    """Train what has not been trained yet, and return all artifacts in the order of ``models``."""
    return run_isolated(
        _train_all, data, tuple(models), store.root, weights_directory, progress=progress, doing="that trains"
    )


def ensure_bundles(
    data: DataSpec,
    wanted: Iterable[tuple[ModelArtifact, Runtime]],
    store: Store,
    *,
    progress: Progress,
) -> tuple[ServingBundle, ...]:
    """Package what has not been packaged yet, and return all bundles in the order of ``wanted``.

    Where all are packaged the photographs are not needed any more.
    """
    from foodbench.packaging import bundle_digest

    pairs = tuple(wanted)
    stored = [store.find_bundle(bundle_digest(artifact, runtime)) for artifact, runtime in pairs]
    missing = [pair for pair, bundle in zip(pairs, stored, strict=True) if bundle is None]
    made: tuple[ServingBundle, ...] = ()
    if missing:
        made = run_isolated(_package_all, data, missing, store.root, progress=progress, doing="that packages")
    fresh = iter(made)
    return tuple(next(fresh) if bundle is None else bundle for bundle in stored)


def _train_all(
    data: DataSpec,
    models: tuple[ModelSpec, ...],
    root: Path,
    weights_directory: Path | None,
    *,
    progress: Progress,
) -> tuple[ModelArtifact, ...]:
    from foodbench.training import train

    store = Store(root)
    dataset = _prepare(data, store, progress)
    return tuple(train(spec, dataset, store, weights_directory=weights_directory, progress=progress) for spec in models)


def _package_all(
    data: DataSpec, wanted: list[tuple[ModelArtifact, Runtime]], root: Path, *, progress: Progress
) -> tuple[ServingBundle, ...]:
    from foodbench.packaging import package

    store = Store(root)
    dataset = _prepare(data, store, progress)
    return tuple(package(artifact, runtime, dataset, store, progress=progress) for artifact, runtime in wanted)


def _prepare(data: DataSpec, store: Store, progress: Progress) -> Dataset:
    from foodbench.data import prepare

    if data.path is None and data.synthetic is None:
        raise InputError(
            f"no photographs were given for {data.label}",
            "Give their folder or archive with --data PATH, or in the environment variable FOODBENCH_DATA",
        )
    return prepare(data, store, progress)


def evaluate(data: DataSpec, model: JudgedModel, split: Split, store: Store, *, progress: Progress) -> Judgement:
    """Judge a model on a split of a data set, which need not be the one it was trained on."""
    return run_isolated(_evaluate, data, model, split, store.root, progress=progress, doing="that evaluates")


def predict(model: JudgedModel, photographs: tuple[Path, ...], *, progress: Progress) -> npt.NDArray[np.float32]:
    """Return a model's class probabilities of photographs, (n, classes)."""
    from foodbench.training.judging import predict_photographs

    return run_isolated(predict_photographs, model, photographs, progress=progress, doing="that predicts")


def _evaluate(data: DataSpec, model: JudgedModel, split: Split, root: Path, *, progress: Progress) -> Judgement:
    from foodbench.training.judging import evaluate_model

    dataset = _prepare(data, Store(root), progress)
    return Judgement(dataset.record, evaluate_model(model, dataset, split, progress))


# Runs and cells.


def new_run(experiment: Experiment, store: Store) -> Run:
    """Begin a run: its record is on disk before anything is measured."""
    started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    run = Run(id=f"{started}-{secrets.token_hex(2)}", experiment=experiment, provenance=read_provenance())
    store.save_run(run)
    return run


def keep_provenance_of_models(
    run: Run, store: Store, models: Iterable[ModelArtifact], bundles: Iterable[ServingBundle]
) -> None:
    """Copy the records of models and bundles into the run, so that its folder explains itself."""
    directory = store.run_directory(run.experiment.name, run.id)
    for folder, records in (("models", models), ("bundles", bundles)):
        for record in records:
            path = directory / folder / f"{record.digest}.json"
            if not path.exists():
                write_record(path, record)


def remaining_cells(run: Run, store: Store) -> tuple[Cell, ...]:
    """Return the cells of a run that have no result yet."""
    _, finished = read_run(store.run_directory(run.experiment.name, run.id))
    done = {result.cell for result in finished}
    return tuple(cell for cell in cells_of(run.experiment) if cell.name not in done)


def set_aside_unfinished(run: Run, store: Store, cell_name: str) -> None:
    """Move what an interrupted measurement of a cell left out of the way, without losing it."""
    directory = store.cell_directory(run.experiment.name, run.id, cell_name)
    if directory.exists() and not (directory / "cell.json").exists():
        directory.rename(directory.with_name(f".interrupted-{cell_name}-{secrets.token_hex(2)}"))


def new_deployment(
    variant: Variant, *, bundle_digest: str, model_digest: str, deployment_id: str | None = None
) -> Deployment:
    """Return the intent to deploy ``variant``, under a new id where none is given."""
    return Deployment(
        id=deployment_id or f"{variant.mode}-{secrets.token_hex(4)}",
        variant=variant,
        bundle_digest=bundle_digest,
        model_digest=model_digest,
        created_at=utc_now(),
    )


def measure_cell(
    run: Run, cell: Cell, bundle: ServingBundle, target: Target, store: Store, *, progress: Progress
) -> CellResult:
    """Deploy a variant, load and watch it, delete it, and keep the result.

    A deployment that fails is a result too: its cause is kept, and the run goes on.
    """
    set_aside_unfinished(run, store, cell.name)
    deployment = new_deployment(cell.variant, bundle_digest=bundle.digest, model_digest=bundle.model_digest)
    started = time.monotonic()
    try:
        state = target.deploy(deployment, progress)
        ready_after_s = time.monotonic() - started
        return measure_deployment(
            run, cell, deployment, state, target, store, ready_after_s=ready_after_s, progress=progress
        )
    except RunFailed as error:
        progress.say(f"{cell.name} failed: {error.problem}")
        result = _failed(cell, deployment, error, store)
        store.save_cell(run, result)
        return result
    finally:
        target.delete(deployment.id)
        store.keep_logs(deployment.id, store.cell_directory(run.experiment.name, run.id, cell.name))
        store.remove_deployment(deployment.id)


def _failed(cell: Cell, deployment: Deployment, error: RunFailed, store: Store) -> CellResult:
    return CellResult(
        cell=cell.name,
        variant=cell.variant,
        repeat=cell.repeat,
        model_digest=deployment.model_digest,
        bundle_digest=deployment.bundle_digest,
        status="failed",
        failure=f"{error.problem}; logs are beside this cell's record",
        validity=Validity(valid=False, cause="nothing was measured", fix="See why it failed, and run it again"),
        events=store.deployment_events(deployment.id),
        scaling_decisions=store.scaling_decisions(deployment.id),
    )


def measure_deployment(
    run: Run,
    cell: Cell,
    deployment: Deployment,
    state: DeploymentState,
    target: Target,
    store: Store,
    *,
    ready_after_s: float | None,
    progress: Progress,
) -> CellResult:
    """Load and watch a deployment that is available, and keep the result."""
    from foodbench.analysis.validity import judge

    directory = store.cell_directory(run.experiment.name, run.id, cell.name)
    load, resources = _load_and_watch(
        run.experiment.load_for(cell.variant), deployment.id, state.url, target, directory, progress
    )
    result = CellResult(
        cell=cell.name,
        variant=cell.variant,
        repeat=cell.repeat,
        model_digest=deployment.model_digest,
        bundle_digest=deployment.bundle_digest,
        status="measured",
        load=load,
        resources=resources,
        validity=judge(
            variant=cell.variant,
            load=load,
            resources=resources,
            cpu_limiter=state.cpu_limiter,
            load_balancer=state.load_balancer,
            capacity=target.capacity(),
            generator_reserve_cores=run.experiment.generator_reserve_cores,
        ),
        cpu_limiter=state.cpu_limiter,
        memory_limit_enforced=state.memory_limit_enforced,
        load_balancer=state.load_balancer,
        ready_after_s=ready_after_s,
        events=store.deployment_events(deployment.id),
        scaling_decisions=store.scaling_decisions(deployment.id),
    )
    store.save_cell(run, result)
    return result


@dataclass(frozen=True)
class _Watched:
    """A deployment, as the sampler sees it."""

    target: Target
    deployment_id: str

    def usage(self) -> tuple[ReplicaUsage, ...]:
        return self.target.usage(self.deployment_id)

    def service_counters(self) -> Mapping[str, ServiceCounters]:
        return self.target.service_counters(self.deployment_id)

    def replica_counts(self) -> tuple[int, int]:
        state = self.target.state(self.deployment_id)
        return (0, 0) if state is None else (state.ready_replicas, state.desired_replicas)


def _load_and_watch(
    profile: LoadProfile, deployment_id: str, url: str, target: Target, directory: Path, progress: Progress
) -> tuple[LoadResult, ResourceSummary]:
    from foodbench.analysis.resources import during, summarise_resources
    from foodbench.load import run_load
    from foodbench.observe import watching
    from foodbench.streams import read_stream

    loaded = [usage.memory_bytes for usage in target.usage(deployment_id) if usage.ready]
    watched = watching(_Watched(target, deployment_id), directory, interval_s=SAMPLING_INTERVAL_S)
    with target.recording(deployment_id), watched:
        load = run_load(profile, url, directory, progress)
    ended_at = load.started_at + load.figures.elapsed_s
    replicas, counts = (
        during(read_stream(directory / name, columns), load.started_at, ended_at)
        for name, columns in (("replicas.arrows", REPLICA_COLUMNS), ("replica_counts.arrows", DEPLOYMENT_COLUMNS))
    )
    resources = summarise_resources(
        replicas,
        counts,
        memory_loaded_bytes=round(statistics.median(loaded)) if loaded else 0,
        interval_s=SAMPLING_INTERVAL_S,
    )
    return load, resources
