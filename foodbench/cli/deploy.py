"""``foodbench deploy``: start a variant and leave it running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from foodbench.cli.options import (
    DEFAULT_EXPERIMENT,
    DEFAULT_RESULTS,
    DataOption,
    ExperimentOption,
    JsonOption,
    QuietOption,
    ResultsOption,
    VerboseOption,
)
from foodbench.records.names import Runtime

if TYPE_CHECKING:
    from foodbench.progress import Progress
    from foodbench.records.bundles import ServingBundle
    from foodbench.records.experiments import Experiment, Variant
    from foodbench.records.models import ModelArtifact
    from foodbench.store import Store

__all__ = ["deploy"]

DEFAULT_RUNTIME = "litert"
DEFAULT_MODE = "single"


def deploy(
    mode: Annotated[
        str | None, typer.Option("--mode", metavar="single|lb|hpa", help="One replica, load-balanced, or autoscaled.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Default: the most accurate one trained last.")
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime", metavar="NAME", help=f"One of {', '.join(get_args(Runtime))}. Default: {DEFAULT_RUNTIME}."
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option("--variant", metavar="NAME", help="A variant of the experiment, in place of the three above."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete the deployment that is still running here first.")
    ] = False,
    experiment: ExperimentOption = DEFAULT_EXPERIMENT,
    data: DataOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Deploy a trained model as a service and leave it running.

    The service listens on the loopback address. `foodbench status` shows it, `foodbench delete` removes it.

    Examples: foodbench deploy --mode hpa · foodbench deploy --variant mobilenetv2-1.0.litert.lb
    """
    from foodbench.cli.console import output, print_json, remarks, showing_progress
    from foodbench.cli.context import current_models, open_experiment, open_store, open_target
    from foodbench.cli.tables import deployments_table

    resolved = open_experiment(experiment, data)
    store = open_store(results)
    target = open_target(store)
    artifacts = current_models(store)
    chosen = _choose_variant(resolved, artifacts, variant=variant, model=model, runtime=runtime, mode=mode)
    artifact = next(artifact for artifact in artifacts if artifact.spec.name == chosen.model)
    if not quiet:
        remarks().print(
            f"Deploying {chosen.name}: {chosen.model} (accuracy {artifact.evaluation.accuracy:.3f}, "
            f"{', '.join(artifact.marks)}) in {chosen.runtime}, mode {chosen.mode}"
        )
    _make_room(store, replace=replace)
    with showing_progress(quiet=quiet) as progress:
        bundle = _bundle(resolved, artifact, chosen, store, progress)
        from foodbench.pipeline import new_deployment

        deployment = new_deployment(chosen, bundle)
        state = target.deploy(deployment, progress)
    store.set_current(store.current().model_copy(update={"deployment": deployment.id}))
    if as_json:
        print_json(state.model_dump(mode="json"))
        return
    output().print(deployments_table([(deployment, state)]))
    if not quiet:
        remarks().print(f"{state.url} answers. Next: foodbench loadtest; later: foodbench delete")


def _choose_variant(
    experiment: Experiment,
    artifacts: tuple[ModelArtifact, ...],
    *,
    variant: str | None,
    model: str | None,
    runtime: str | None,
    mode: str | None,
) -> Variant:
    from foodbench.cli.context import parse_mode, parse_runtime
    from foodbench.errors import InputError
    from foodbench.experiment import make_variant

    trained = [artifact.spec.name for artifact in artifacts]
    by_name = {variant.name: variant for variant in experiment.variants if variant.model in trained}
    if variant is not None:
        if model or runtime or mode:
            raise InputError("--variant already says model, runtime and mode", "Leave the other options out")
        if variant not in by_name:
            raise InputError(
                f"{experiment.name} has no variant {variant} of a trained model", f"It has {', '.join(by_name)}"
            )
        return by_name[variant]
    if model is not None and model not in trained:
        raise InputError(f"no model {model} was trained last", f"There are {', '.join(trained)}")
    best = max(artifacts, key=lambda artifact: artifact.evaluation.accuracy).spec.name
    chosen = make_variant(
        model or best,
        parse_runtime(runtime or DEFAULT_RUNTIME),
        parse_mode(mode or DEFAULT_MODE),
        experiment.variants[0].resources,
    )
    # Where the experiment has this very variant, its numbers count.
    return by_name.get(chosen.name, chosen)


def _make_room(store: Store, *, replace: bool) -> None:
    from foodbench.cli.context import delete_deployment, open_target
    from foodbench.errors import InputError

    target = open_target(store)
    for deployment in store.deployments():
        state = target.state(deployment.id)
        alive = state is not None and state.phase not in {"stopped", "failed"}
        if alive and not replace:
            raise InputError(
                f"{deployment.id} ({deployment.variant.name}) is still running here and would disturb this one",
                "Remove it first with foodbench delete, or add --replace",
            )
        delete_deployment(store, target, deployment.id)


def _bundle(
    experiment: Experiment, artifact: ModelArtifact, variant: Variant, store: Store, progress: Progress
) -> ServingBundle:
    from foodbench.pipeline import ensure_bundles

    (bundle,) = ensure_bundles(experiment.data, [(artifact, variant.runtime)], store, progress=progress)
    return bundle
