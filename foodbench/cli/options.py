"""The options that commands share, each defined once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DEFAULT_EXPERIMENT",
    "DEFAULT_RESULTS",
    "DataOption",
    "ExperimentOption",
    "JsonOption",
    "QuietOption",
    "ResultsOption",
    "SeedOption",
    "Session",
    "VerboseOption",
    "WeightsOption",
]

DEFAULT_EXPERIMENT = "quickstart"
DEFAULT_RESULTS = Path("results")


@dataclass
class Session:
    """What the error handler needs to know of the command that runs."""

    verbose: bool = False


def _set_verbose(context: typer.Context, value: bool) -> bool:
    if isinstance(context.obj, Session):
        context.obj.verbose = value
    return value


ExperimentOption = Annotated[
    str,
    typer.Option(
        "--experiment",
        "-e",
        metavar="PATH|NAME",
        help="Experiment file, or the name of one that comes with foodbench.",
    ),
]
ResultsOption = Annotated[
    Path,
    typer.Option("--results", metavar="DIR", envvar="FOODBENCH_RESULTS", help="Folder of all records and reports."),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH",
        envvar="FOODBENCH_DATA",
        help="Folder or archive of the photographs, in place of the one the experiment names.",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="Of the training, in place of the experiment's; equal seeds train equal models on one machine.",
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="DIR",
        envvar="FOODBENCH_WEIGHTS",
        help="Folder with Keras' official ImageNet weights files (also looked for in ~/.keras/models).",
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", callback=_set_verbose, help="Show the traceback of an error."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for a script.")]
