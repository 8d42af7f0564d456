"""``foodbench package``: convert trained models for their runtimes."""

from __future__ import annotations

from collections.abc import Iterable
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
from foodbench.errors import InputError
from foodbench.records.names import Runtime

if TYPE_CHECKING:
    from foodbench.progress import Progress
    from foodbench.records.bundles import ServingBundle
    from foodbench.records.images import ImageRef
    from foodbench.store import Store

__all__ = ["package"]

DEFAULT_BASE = "python:3.13-slim"


def package(
    experiment: ExperimentOption = DEFAULT_EXPERIMENT,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            "--runtime", metavar="NAME", help=f"Only this runtime: {', '.join(get_args(Runtime))}; may be repeated."
        ),
    ] = None,
    image: Annotated[bool, typer.Option("--image", help="Also build a container image of each bundle.")] = False,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="IMAGE", help=f"Image with python3 to build upon ({DEFAULT_BASE})."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="NAME", help="podman, docker or buildah (the first of them that is there)."),
    ] = None,
    push: Annotated[
        str | None, typer.Option("--push", metavar="REGISTRY/NAME", help="Push the images there, a tag each.")
    ] = None,
    data: DataOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Convert the models trained last for their runtimes, and measure what the conversion changed.

    Without --runtime: the runtimes that the experiment's variants name.

    Examples: foodbench package · foodbench package --runtime litert-int8 · foodbench package --image
    """
    from foodbench.cli.console import output, print_json, showing_progress
    from foodbench.cli.context import current_models, open_experiment, open_store, parse_runtime
    from foodbench.cli.tables import images_table
    from foodbench.pipeline import ensure_bundles
    from foodbench.report.exports import export_summary
    from foodbench.report.terminal import render_summary

    if not image and (given := [name for name, value in _of_images(base, engine, push) if value is not None]):
        raise InputError(f"{given[0]} is of images", "Add --image")
    resolved = open_experiment(experiment, data)
    store = open_store(results)
    artifacts = current_models(store)
    asked = tuple(parse_runtime(name) for name in runtime or [])
    named = {(variant.model, variant.runtime) for variant in resolved.variants}
    wanted = [
        (artifact, name)
        for artifact in artifacts
        for name in asked or sorted({runtime for model, runtime in named if model == artifact.spec.name})
    ]
    with showing_progress(quiet=quiet) as progress:
        bundles = ensure_bundles(resolved.data, wanted, store, progress=progress)
        images = _build(bundles, store, base or DEFAULT_BASE, engine, push, progress) if image else ()
    if as_json:
        print_json([record.model_dump(mode="json") for record in (images if image else bundles)])
        return
    exports = export_summary(bundles, artifacts, resolved.packaging.largest_accuracy_loss)
    output().print(render_summary(exports, width=output().width))
    if image:
        output().print(images_table(images))


def _of_images(base: str | None, engine: str | None, push: str | None) -> tuple[tuple[str, str | None], ...]:
    return ("--base", base), ("--engine", engine), ("--push", push)


def _build(
    bundles: Iterable[ServingBundle],
    store: Store,
    base: str,
    engine_name: str | None,
    repository: str | None,
    progress: Progress,
) -> tuple[ImageRef, ...]:
    from foodbench.packaging.image import build_image, check_repository, find_engine, push_image
    from foodbench.provenance import read_provenance

    if repository is not None:
        check_repository(repository)
    engine = find_engine(engine_name)
    provenance = read_provenance()
    images = tuple(
        build_image(bundle, store, base=base, engine=engine, provenance=provenance, progress=progress)
        for bundle in bundles
    )
    if repository is None:
        return images
    return tuple(push_image(image, repository, store, engine=engine) for image in images)
