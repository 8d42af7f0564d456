"""``foodbench run``: every stage for every variant of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from foodbench.cli.options import (
    DEFAULT_EXPERIMENT,
    DEFAULT_RESULTS,
    BaseOption,
    ContextOption,
    DataOption,
    ExperimentOption,
    ImageOption,
    JsonOption,
    NamespaceOption,
    PushOption,
    QuietOption,
    ReplaceOption,
    ResultsOption,
    SeedOption,
    ServiceOption,
    TargetOption,
    VerboseOption,
    WeightsOption,
)

if TYPE_CHECKING:
    from pathlib import Path

    from foodbench.progress import Progress
    from foodbench.records.experiments import Experiment
    from foodbench.records.runs import Run
    from foodbench.store import Store

__all__ = ["run"]


def run(
    experiment: ExperimentOption = DEFAULT_EXPERIMENT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved experiment and its cells, and do nothing.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the last run of this experiment.")] = False,
    replace: ReplaceOption = False,
    target: TargetOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    service: ServiceOption = None,
    image: ImageOption = None,
    push: PushOption = None,
    base: BaseOption = None,
    data: DataOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train, package, deploy, load, watch and report every variant of an experiment.

    Ctrl-C tears down what is running and keeps what was measured; --resume goes on from there.

    Examples: foodbench run · foodbench run -e food101-10 --data photos.tar · foodbench run --target kubernetes
    """
    from foodbench.cli.console import output, print_json, showing_progress
    from foodbench.cli.context import open_experiment, open_store
    from foodbench.cli.report import show_report
    from foodbench.cli.tables import plan_table
    from foodbench.cli.targets import choose_target, resolve_context

    resolved = open_experiment(experiment, data, seed)
    chosen = choose_target(
        resolved.target,
        target=target,
        context=context,
        namespace=namespace,
        service=service,
        image=image,
        push=push,
        base=base,
    )
    resolved = resolved.model_copy(update={"target": chosen if dry_run else resolve_context(chosen)})
    if dry_run:
        if as_json:
            print_json(resolved.model_dump(mode="json"))
        else:
            for part in plan_table(resolved):
                output().print(part)
        return
    store = open_store(results)
    begun = _last_run(resolved, store) if resume else None
    with showing_progress(quiet=quiet) as progress:
        done = _run_all(begun or resolved, store, weights, progress, replace=replace)
    directory = store.run_directory(done.experiment.name, done.id)
    show_report(directory, as_json=as_json, quiet=quiet)
    _raise_for_failures(directory)


def _last_run(experiment: Experiment, store: Store) -> Run:
    from foodbench.errors import InputError

    runs = store.runs(experiment.name)
    if not runs:
        raise InputError(f"there is no run of {experiment.name} in {store.root} to resume", "Leave --resume out")
    if runs[-1].experiment != experiment:
        raise InputError(
            f"the last run, {runs[-1].id}, was of another version of {experiment.name}",
            "Undo the change to the experiment, or leave --resume out to begin a new run",
        )
    return runs[-1]


def _run_all(begun: Experiment | Run, store: Store, weights: Path | None, progress: Progress, *, replace: bool) -> Run:
    from foodbench.cli.leftovers import make_room
    from foodbench.cli.targets import open_place
    from foodbench.delivery import bring_images
    from foodbench.pipeline import (
        ensure_bundles,
        ensure_models,
        keep_provenance_of_models,
        measure_cell,
        new_run,
        remaining_cells,
    )
    from foodbench.records.runs import Run
    from foodbench.store import Current

    experiment = begun.experiment if isinstance(begun, Run) else begun
    place = open_place(experiment.target, store)
    make_room(store, place, replace=replace)
    artifacts = ensure_models(experiment.data, experiment.models, store, weights_directory=weights, progress=progress)
    by_name = {artifact.spec.name: artifact for artifact in artifacts}
    wanted = list(dict.fromkeys((variant.model, variant.runtime) for variant in experiment.variants))
    packaged = ensure_bundles(
        experiment.data, [(by_name[model], runtime) for model, runtime in wanted], store, progress=progress
    )
    bundles = dict(zip(wanted, packaged, strict=True))
    if experiment.target.name == "kubernetes":
        bring_images(packaged, experiment.target, place.nodes, store, progress=progress)
    run = begun if isinstance(begun, Run) else new_run(experiment, store)
    keep_provenance_of_models(run, store, artifacts, packaged)
    store.set_current(
        Current(
            models=tuple(artifact.digest for artifact in artifacts),
            deployment=store.current().deployment,
            run=(experiment.name, run.id),
        )
    )
    cells = remaining_cells(run, store)
    for number, cell in enumerate(cells, start=1):
        progress.say(f"Cell {number} of {len(cells)}: {cell.name}")
        bundle = bundles[cell.variant.model, cell.variant.runtime]
        measure_cell(run, cell, bundle, place.target, store, progress=progress)
    return run


def _raise_for_failures(directory: Path) -> None:
    from foodbench.errors import InvalidMeasurement, RunFailed
    from foodbench.store import read_run

    _, results = read_run(directory)
    failed = [result for result in results if result.status == "failed"]
    invalid = [result for result in results if result.status == "measured" and not result.validity.valid]
    if failed:
        raise RunFailed(
            f"{len(failed)} of {len(results)} cells failed, the first, {failed[0].cell}, because: {failed[0].failure}"
        )
    if invalid:
        raise InvalidMeasurement(
            f"{len(invalid)} of {len(results)} cells are not valid, the first, {invalid[0].cell}, "
            f"because {invalid[0].validity.cause}",
            invalid[0].validity.fix,
        )
