"""``foodbench ablate``: what each step of a recipe is worth."""

from __future__ import annotations

from typing import Annotated

import typer

from foodbench.cli.options import (
    DEFAULT_EXPERIMENT,
    DEFAULT_RESULTS,
    DataOption,
    ExperimentOption,
    JsonOption,
    QuietOption,
    ResultsOption,
    SeedOption,
    VerboseOption,
    WeightsOption,
)

__all__ = ["ablate"]


def ablate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model of the experiment.")],
    experiment: ExperimentOption = DEFAULT_EXPERIMENT,
    runtime: Annotated[
        str, typer.Option("--runtime", metavar="NAME", help="That response times are measured with.")
    ] = "litert",
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", min=1, max=100, help="Of response times, all models in turn.")
    ] = 5,
    data: DataOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train a model without each step of its recipe, and measure what the step gained and cost.

    Accuracy is compared image by image, response time in rounds of all models in turn. What is already trained is
    not trained again.

    Examples: foodbench ablate mobilenetv2-1.0 -e food101-10 --data photos.tar --weights ~/weights
    """
    from foodbench.ablation import ablate as find_out
    from foodbench.cli.console import output, print_json, remarks, showing_progress
    from foodbench.cli.context import find_model_spec, open_experiment, open_store, parse_runtime
    from foodbench.report.ablation import ablation_summary, write_ablation
    from foodbench.report.terminal import render_summary

    resolved = open_experiment(experiment, data, seed)
    spec = find_model_spec(resolved, model)
    store = open_store(results)
    with showing_progress(quiet=quiet) as progress:
        found = find_out(
            resolved.data,
            spec,
            store,
            runtime=parse_runtime(runtime),
            rounds=rounds,
            weights_directory=weights,
            progress=progress,
        )
    written = write_ablation(found, store.ablation_directory(resolved.name, spec.name))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    output().print(render_summary(ablation_summary(found), width=output().width))
    if not quiet:
        remarks().print(f"Written: {written}")
