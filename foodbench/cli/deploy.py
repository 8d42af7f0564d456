"""``foodbench deploy``: start a variant and leave it running."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, get_args

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
    ServiceOption,
    TargetOption,
    VerboseOption,
)
from foodbench.records.names import Runtime

if TYPE_CHECKING:
    from foodbench.progress import Progress
    from foodbench.records.bundles import ServingBundle
    from foodbench.records.deployments import Deployment
    from foodbench.records.experiments import Experiment, TargetSpec, Variant
    from foodbench.records.models import ModelArtifact
    from foodbench.store import Store

__all__ = ["deploy"]

DEFAULT_RUNTIME = "litert"
DEFAULT_MODE = "single"

IDENTIFIER = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
"""It names folders, processes and the objects on a cluster."""


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
    replace: ReplaceOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be deployed (on a cluster: applied), and do nothing.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Of the deployment. Default: the mode and a random number.")
    ] = None,
    target: TargetOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    service: ServiceOption = None,
    image: ImageOption = None,
    push: PushOption = None,
    base: BaseOption = None,
    experiment: ExperimentOption = DEFAULT_EXPERIMENT,
    data: DataOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Deploy a trained model as a service and leave it running.

    On this machine it listens on the loopback address. On a cluster it is applied by kubectl, and reached by a port of
    its nodes, by an address of its own, or by a port-forward. `foodbench status` shows it, `foodbench delete` removes it.

    Examples: foodbench deploy --mode hpa · foodbench deploy --mode lb --target kubernetes --context kind-kind
    """
    from foodbench.cli.console import output, print_json, remarks, showing_progress
    from foodbench.cli.context import current_models, open_experiment, open_store
    from foodbench.cli.leftovers import make_room
    from foodbench.cli.tables import deployments_table
    from foodbench.cli.targets import choose_target, open_place, resolve_context

    resolved = open_experiment(experiment, data)
    spec = choose_target(
        resolved.target,
        target=target,
        context=context,
        namespace=namespace,
        service=service,
        image=image,
        push=push,
        base=base,
    )
    store = open_store(results)
    artifacts = current_models(store)
    chosen = _choose_variant(resolved, artifacts, variant=variant, model=model, runtime=runtime, mode=mode)
    artifact = next(artifact for artifact in artifacts if artifact.spec.name == chosen.model)
    deployment = _intent(chosen, artifact, name)
    if dry_run:
        _show(deployment, spec)
        return
    place = open_place(resolve_context(spec), store)
    if not quiet:
        remarks().print(
            f"Deploying {chosen.name}: {chosen.model} (accuracy {artifact.evaluation.accuracy:.3f}, "
            f"{', '.join(artifact.marks)}) in {chosen.runtime}, mode {chosen.mode}",
            markup=False,
        )
    make_room(store, place, replace=replace)
    with showing_progress(quiet=quiet) as progress:
        bundle = _bundle(resolved, artifact, chosen, store, progress)
        if place.spec.name == "kubernetes":
            from foodbench.delivery import bring_images

            bring_images([bundle], place.spec, place.nodes, store, progress=progress)
        state = place.target.deploy(deployment, progress)
    store.set_current(store.current().model_copy(update={"deployment": deployment.id}))
    if as_json:
        print_json(state.model_dump(mode="json"))
        return
    output().print(deployments_table([(deployment, state)]))
    if not quiet:
        remarks().print(f"{state.url} answers. Next: foodbench loadtest; later: foodbench delete")


def _intent(variant: Variant, artifact: ModelArtifact, deployment_id: str | None) -> Deployment:
    from foodbench.errors import InputError
    from foodbench.packaging import bundle_digest
    from foodbench.pipeline import new_deployment

    if deployment_id is not None and IDENTIFIER.fullmatch(deployment_id) is None:
        raise InputError(
            f"--id: received {deployment_id}", "It has small letters, digits and hyphens, and at most 40 characters"
        )
    return new_deployment(
        variant,
        bundle_digest=bundle_digest(artifact, variant.runtime),
        model_digest=artifact.digest,
        deployment_id=deployment_id,
    )


def _show(deployment: Deployment, spec: TargetSpec) -> None:
    """Print what deploying comes to: on a cluster exactly what would be applied."""
    import sys

    from foodbench.cli.console import print_json, remarks

    if spec.name == "local":
        print_json(deployment.model_dump(mode="json"))
    else:
        from foodbench.delivery import image_for
        from foodbench.deploy.kubernetes.manifests import render
        from foodbench.deploy.kubernetes.yaml_text import to_yaml

        image = image_for(spec, deployment.variant.model, deployment.variant.runtime, deployment.bundle_digest)
        sys.stdout.write(to_yaml(render(deployment, image=image, namespace=spec.namespace, service_type=spec.service)))
    remarks().print(f"To deploy exactly this, leave --dry-run out and add --id {deployment.id}", markup=False)


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


def _bundle(
    experiment: Experiment, artifact: ModelArtifact, variant: Variant, store: Store, progress: Progress
) -> ServingBundle:
    from foodbench.pipeline import ensure_bundles

    (bundle,) = ensure_bundles(experiment.data, [(artifact, variant.runtime)], store, progress=progress)
    return bundle
