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
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write and print the report of a run, from its records alone.

    Needs neither TensorFlow nor the machine that measured.

    Examples: foodbench report · foodbench report results/quickstart/20261124-101500-ab12
    """
    from foodbench.cli.context import open_store

    directory = _find_run(open_store(results), run)
    show_report(directory, as_json=as_json, quiet=quiet)


def show_report(directory: Path, *, as_json: bool, quiet: bool) -> None:
    """Write the report of the run in ``directory``, and print it."""
    from foodbench.cli.console import output, print_json, remarks
    from foodbench.report import render_summary, write_report

    files = write_report(directory)
    if as_json:
        import json

        print_json(json.loads(files.summary_json))
        return
    for part in render_summary(directory):
        output().print(part)
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
