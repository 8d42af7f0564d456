"""``foodbench package``: convert trained models for their runtimes."""

from __future__ import annotations

from typing import Annotated, get_args

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

__all__ = ["package"]


def package(
    experiment: ExperimentOption = DEFAULT_EXPERIMENT,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            "--runtime", metavar="NAME", help=f"Only this runtime: {', '.join(get_args(Runtime))}; may be repeated."
        ),
    ] = None,
    data: DataOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Convert the models trained last for their runtimes, and measure what the conversion changed.

    Without --runtime: the runtimes that the experiment's variants name.

    Examples: foodbench package · foodbench package --runtime litert-int8
    """
    from foodbench.cli.console import output, print_json, showing_progress
    from foodbench.cli.context import current_models, open_experiment, open_store, parse_runtime
    from foodbench.cli.tables import bundles_table
    from foodbench.pipeline import ensure_bundles

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
    if as_json:
        print_json([bundle.model_dump(mode="json") for bundle in bundles])
        return
    output().print(bundles_table(bundles))
