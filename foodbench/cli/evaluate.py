"""``foodbench evaluate``: judge a model on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foodbench.cli.judged import ModelArgument, ScalingOption
from foodbench.cli.options import DEFAULT_RESULTS, JsonOption, QuietOption, ResultsOption, VerboseOption

__all__ = ["evaluate"]


def evaluate(
    model: ModelArgument,
    data: Annotated[
        str,
        typer.Option("--data", metavar="PATH", envvar="FOODBENCH_DATA", help="Folder or archive of the photographs."),
    ],
    split: Annotated[
        str, typer.Option("--split", metavar="NAME", help="training, validation or evaluation.")
    ] = "evaluation",
    scaling: ScalingOption = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Name of the set. Default: the name of the file.")
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Measure a model on photographs: accuracy, loss, calibration, and each class.

    Examples: foodbench evaluate mobilenetv2-1.0 --data photos.zip ·
    foodbench evaluate mine.keras --scaling zero-to-one --data photos
    """
    from foodbench.cli.console import output, print_json, showing_progress
    from foodbench.cli.context import open_store, parse_split
    from foodbench.cli.judged import find_judged
    from foodbench.cli.tables import evaluation_lines
    from foodbench.pipeline import evaluate as judge
    from foodbench.records.experiments import DataSpec
    from foodbench.report.models import classes_summary
    from foodbench.report.terminal import render_summary

    store = open_store(results)
    judged, artifact = find_judged(store, model, scaling)
    spec = DataSpec(label=label or Path(data).stem, path=data)
    with showing_progress(quiet=quiet) as progress:
        found = judge(spec, judged, parse_split(split), store, progress=progress)
    if as_json:
        print_json(found.evaluation.model_dump(mode="json"))
        return
    classes = classes_summary(judged.name, found.dataset.classes, found.evaluation)
    output().print(render_summary(classes, width=output().width))
    for line in evaluation_lines(judged.name, found.dataset, found.evaluation, artifact):
        output().print(line, markup=False)
