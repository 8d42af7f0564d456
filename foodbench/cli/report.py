"""``foodbench report``: tables, plots and a page from the records of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foodbench.cli.options import DEFAULT_RESULTS, JsonOption, QuietOption, ResultsOption, VerboseOption

if TYPE_CHECKING:
    from foodbench.store import Store

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
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write and print the report of a run, from its records alone.

    Needs neither TensorFlow nor the machine that measured.

    Examples: foodbench report · foodbench report results/quickstart/20261124-101500-ab12 --accuracy 0.8
    """
    from foodbench.cli.context import open_store

    directory = _find_run(open_store(results), run)
    show_report(directory, accuracy_wanted=accuracy, as_json=as_json, quiet=quiet)


def show_report(directory: Path, *, accuracy_wanted: float | None = None, as_json: bool, quiet: bool) -> None:
    """Write the report of the run in ``directory``, and print it."""
    from foodbench.analysis.advice import advise
    from foodbench.cli.console import output, print_json, remarks
    from foodbench.report import write_report
    from foodbench.report.folder import read_run_folder
    from foodbench.report.summary import summarise, summary_rows
    from foodbench.report.terminal import render_advice, render_summary

    files = write_report(directory, accuracy_wanted=accuracy_wanted)
    folder = read_run_folder(directory)
    if as_json:
        print_json(summary_rows(folder.variants))
        return
    console = output()
    console.print(render_summary(summarise(folder.variants, folder.run.experiment.title), width=console.width))
    console.print(render_advice(advise(folder.variants, accuracy_wanted=accuracy_wanted)))
    if not quiet:
        remarks().print(f"Report: {files.html}")


def _find_run(store: Store, run: str | None) -> Path:
    from foodbench.errors import InputError

    if run is None:
        current = store.current().run
        if current is None:
            raise InputError(f"nothing has been measured into {store.root}", "Measure first: foodbench loadtest")
        return store.run_directory(*current)
    path = Path(run)
    if (path / "run.json").exists():
        return path
    matching = [known for known in store.runs() if known.id == run]
    if not matching:
        raise InputError(f"there is no run {run} in {store.root}", "Give the folder that holds its run.json")
    return store.run_directory(matching[0].experiment.name, matching[0].id)
