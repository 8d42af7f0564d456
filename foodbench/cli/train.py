"""``foodbench train``: train the models of an experiment."""

from __future__ import annotations

from pathlib import Path
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

__all__ = ["train"]


def train(
    experiment: ExperimentOption = DEFAULT_EXPERIMENT,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", metavar="NAME", help="Only this model; may be repeated.")
    ] = None,
    list_backbones: Annotated[
        bool, typer.Option("--list", help="Only list the backbones: parameters, and whether ImageNet weights are here.")
    ] = False,
    data: DataOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train the models of an experiment and measure their accuracy.

    What is already trained with the same settings on the same photographs is not trained again.

    Examples: foodbench train · foodbench train -e food101-10 --data photos.tar --weights ~/weights ·
    foodbench train --list
    """
    from foodbench.cli.console import output, print_json, remarks, showing_progress
    from foodbench.cli.context import find_model_spec, open_experiment, open_store
    from foodbench.cli.tables import models_table
    from foodbench.pipeline import ensure_models
    from foodbench.report import write_training_report
    from foodbench.store import Current

    if list_backbones:
        _list_backbones(weights, as_json=as_json)
        return
    resolved = open_experiment(experiment, data, seed)
    chosen = [find_model_spec(resolved, name) for name in model] if model else resolved.models
    store = open_store(results)
    with showing_progress(quiet=quiet) as progress:
        artifacts = ensure_models(resolved.data, chosen, store, weights_directory=weights, progress=progress)
    current = store.current()
    digests = tuple(artifact.digest for artifact in artifacts)
    # A new set of models begins a new run; what is deployed stays as it is.
    store.set_current(
        Current(
            models=digests,
            deployment=current.deployment,
            run=current.run if current.models == digests else None,
        )
    )
    written = write_training_report(artifacts, store.training_report_directory(resolved.name))
    if as_json:
        print_json([artifact.model_dump(mode="json") for artifact in artifacts])
        return
    output().print(models_table(artifacts))
    if not quiet:
        remarks().print(f"Recipes, classes, curves and confusion: {written}")
        remarks().print("Next: foodbench deploy --mode single, lb or hpa")


def _list_backbones(weights: Path | None, *, as_json: bool) -> None:
    from foodbench.cli.console import output, print_json
    from foodbench.cli.tables import backbones_table
    from foodbench.training.catalogue import BACKBONES
    from foodbench.training.parameters import parameters_of
    from foodbench.training.weights import imagenet_file

    found = {name: imagenet_file(name, weights) for name in BACKBONES}
    if as_json:
        print_json(
            [
                {
                    "backbone": name,
                    "parameters": parameters_of(name).model_dump(mode="json"),
                    "imagenet_weights": None if path is None else str(path),
                }
                for name, path in found.items()
            ]
        )
        return
    output().print(backbones_table((BACKBONES[name], parameters_of(name), path) for name, path in found.items()))
