"""``foodbench report``: tables, plots and a page from the records of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foodbench.cli.options import DEFAULT_RESULTS, JsonOption, QuietOption, ResultsOption, VerboseOption

__all__ = ["report", "show_report"]


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Folder or id of a run. Default: the current one.")
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    accuracy: Annotated[
        float | None,
        typer.Option("--accuracy", min=0, max=1, help="Least accuracy a recommended variant must have, as in 0.8."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Print every figure, not only the main ones.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write and print the report of a run, from its records alone.

    Needs neither TensorFlow nor the machine that measured.

    Examples: foodbench report · foodbench report results/quickstart/20261124-101500-ab12 --accuracy 0.8
    """
    from foodbench.cli.context import find_run, open_store

    directory = find_run(open_store(results), run)
    show_report(directory, accuracy_wanted=accuracy, full=full, as_json=as_json, quiet=quiet)


def show_report(
    directory: Path, *, accuracy_wanted: float | None = None, full: bool = False, as_json: bool, quiet: bool
) -> None:
    """Write the report of the run in ``directory``, and print its main figures, or all of them."""
    from foodbench.analysis.advice import advise
    from foodbench.cli.console import output, print_json, remarks
    from foodbench.report import write_report
    from foodbench.report.folder import read_run_folder
    from foodbench.report.summary import summarise, summary_rows
    from foodbench.report.terminal import render_advice, render_main_figures, render_summary

    files = write_report(directory, accuracy_wanted=accuracy_wanted)
    folder = read_run_folder(directory)
    if as_json:
        print_json(summary_rows(folder.variants))
        return
    console = output()
    summary = summarise(folder.variants, folder.run.experiment.title, unmeasured=folder.unmeasured)
    console.print(render_summary(summary, width=console.width) if full else render_main_figures(summary))
    console.print(render_advice(advise(folder.variants, accuracy_wanted=accuracy_wanted)))
    if not quiet:
        remarks().print(f"Report: {files.html}")
        remarks().print("Every figure: foodbench report --full; why each variant did what it did: foodbench explain")
