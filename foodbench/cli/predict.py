"""``foodbench predict``: what a model sees in photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foodbench.cli.judged import ModelArgument, ScalingOption
from foodbench.cli.options import DEFAULT_RESULTS, JsonOption, QuietOption, ResultsOption, VerboseOption

__all__ = ["predict"]

CLASSES_SHOWN = 5


def predict(
    model: ModelArgument,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs, JPEG or PNG.")],
    scaling: ScalingOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the five most probable classes of each photograph.

    Examples: foodbench predict mobilenetv2-1.0 lunch.jpg · foodbench predict mine.keras --scaling caffe *.jpg
    """
    from foodbench.cli.console import output, print_json, showing_progress
    from foodbench.cli.context import open_store
    from foodbench.cli.judged import find_judged
    from foodbench.cli.tables import prediction_table
    from foodbench.pipeline import predict as ask

    judged, artifact = find_judged(open_store(results), model, scaling)
    with showing_progress(quiet=quiet) as progress:
        probabilities = ask(judged, tuple(images), progress=progress)
    names = judged.classes or tuple(f"class {number}" for number in range(probabilities.shape[1]))
    answers = [sorted(zip(names, map(float, row), strict=True), key=lambda answer: -answer[1]) for row in probabilities]
    if as_json:
        print_json([{"image": str(path), "classes": dict(found)} for path, found in zip(images, answers, strict=True)])
        return
    for path, found in zip(images, answers, strict=True):
        output().print(prediction_table(path.name, found[:CLASSES_SHOWN]))
    if artifact is not None:
        verb = "Measured" if artifact.as_it_is else "Trained"
        output().print(f"{verb} on {'; '.join(artifact.marks)}", markup=False)
