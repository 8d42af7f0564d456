"""``foodbench loadtest``: load what is deployed, and watch it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated

import typer

from foodbench.cli.options import (
    DEFAULT_EXPERIMENT,
    DEFAULT_RESULTS,
    ExperimentOption,
    JsonOption,
    QuietOption,
    ResultsOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from foodbench.deploy.target import Target
    from foodbench.pipeline import Cell
    from foodbench.records.deployments import Deployment, DeploymentState
    from foodbench.records.experiments import Experiment, Variant
    from foodbench.records.runs import Run
    from foodbench.store import Store

__all__ = ["loadtest"]


def loadtest(
    deployment: Annotated[
        str | None, typer.Option("--deployment", metavar="ID", help="Default: the one deployed last.")
    ] = None,
    users: Annotated[int | None, typer.Option("--users", "-c", min=1, help="In place of the experiment's.")] = None,
    duration: Annotated[
        str | None, typer.Option("--duration", "-t", metavar="30s", help="In place of the experiment's.")
    ] = None,
    new_run: Annotated[
        bool, typer.Option("--new-run", help="Begin a new run instead of adding to the current one.")
    ] = False,
    experiment: ExperimentOption = DEFAULT_EXPERIMENT,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Load the deployed service as siege would, watch it meanwhile, and keep every request.

    The result joins the current run, so that several deployments, loaded one after the other, are
    compared by one report.

    Examples: foodbench loadtest · foodbench loadtest -c 20 -t 60s
    """
    from foodbench.cli.console import output, print_json, remarks, showing_progress
    from foodbench.cli.context import open_experiment, open_store
    from foodbench.cli.tables import figures_table
    from foodbench.errors import InvalidMeasurement
    from foodbench.pipeline import measure_deployment
    from foodbench.report.explanation import render_findings

    store = open_store(results)
    chosen, target, state = _deployed(store, deployment)
    resolved = _with_load(_on_target_of(chosen, open_experiment(experiment, None)), users, duration)
    run = _run_to_join(resolved, store, chosen, fresh=new_run)
    cell = _next_cell(run, store, chosen.variant)
    with showing_progress(quiet=quiet) as progress:
        result = measure_deployment(run, cell, chosen, state, target, store, ready_after_s=None, progress=progress)
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        output().print(figures_table(result))
        output().print(render_findings(result))
    if not result.validity.valid:
        raise InvalidMeasurement(f"this measurement is not valid: {result.validity.cause}", result.validity.fix)
    if not quiet:
        remarks().print("Next: foodbench report")


def _on_target_of(deployment: Deployment, experiment: Experiment) -> Experiment:
    """Return the experiment with the target that is measured: what different ones measured is not pooled."""
    from foodbench.records.experiments import TargetSpec

    place = deployment.cluster
    spec = TargetSpec()
    if place is not None:
        spec = TargetSpec(name="kubernetes", context=place.context, namespace=place.namespace)
    return experiment.model_copy(update={"target": spec})


def _deployed(store: Store, deployment_id: str | None) -> tuple[Deployment, Target, DeploymentState]:
    from foodbench.cli.targets import target_of
    from foodbench.errors import InputError

    wanted = deployment_id or store.current().deployment
    deployment = None if wanted is None else store.find_deployment(wanted)
    if deployment is None:
        raise InputError(
            f"no deployment {wanted} is there" if wanted else "nothing is deployed",
            "Deploy a model first: foodbench deploy --mode single",
        )
    target = target_of(deployment, store)
    state = target.state(deployment.id)
    if state is None or state.phase != "available":
        raise InputError(
            f"deployment {deployment.id} is {'gone' if state is None else state.phase}",
            "Deploy again: foodbench deploy --replace",
        )
    return deployment, target, state


def _with_load(experiment: Experiment, users: int | None, duration: str | None) -> Experiment:
    from foodbench.errors import InputError
    from foodbench.quantities import parse_duration_s
    from foodbench.records.experiments import LoadProfile

    changes: dict[str, float] = {}
    if users is not None:
        changes["users"] = users
    if duration is not None:
        try:
            changes["duration_s"] = parse_duration_s(duration)
        except ValueError as error:
            raise InputError(f"--duration: received {duration}; {error}") from error

    def changed(profile: LoadProfile) -> LoadProfile:
        return LoadProfile.model_validate(profile.model_dump() | changes)

    return experiment.model_copy(update={"load": changed(experiment.load), "hpa_load": changed(experiment.hpa_load)})


def _run_to_join(experiment: Experiment, store: Store, deployment: Deployment, *, fresh: bool) -> Run:
    """Return the current run if its experiment is this very one, else a new run."""
    from foodbench.errors import StoreError
    from foodbench.pipeline import keep_provenance_of_models, new_run
    from foodbench.store import read_run

    current = store.current()
    run = None
    if current.run is not None and not fresh:
        joined, _ = read_run(store.run_directory(*current.run))
        run = joined if joined.experiment == experiment else None
    if run is None:
        run = new_run(experiment, store)
        store.set_current(current.model_copy(update={"run": (experiment.name, run.id)}))
    model, bundle = store.find_model(deployment.model_digest), store.find_bundle(deployment.bundle_digest)
    if model is None or bundle is None:
        raise StoreError(
            f"the model or bundle of deployment {deployment.id} is no longer in {store.root}",
            "Train and deploy again",
        )
    keep_provenance_of_models(run, store, [model], [bundle])
    return run


def _next_cell(run: Run, store: Store, variant: Variant) -> Cell:
    """Return the first repeat of ``variant`` that has no folder yet."""
    from foodbench.pipeline import Cell

    for repeat in itertools.count(1):
        cell = Cell(variant, repeat)
        if not store.cell_directory(run.experiment.name, run.id, cell.name).exists():
            return cell
    raise AssertionError
