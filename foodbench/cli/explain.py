"""``foodbench explain``: why a run's cells failed, were slow, or did not scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from foodbench.cli.options import DEFAULT_RESULTS, JsonOption, ResultsOption, VerboseOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foodbench.records.runs import CellResult

__all__ = ["explain"]


def explain(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Folder or id of a run. Default: the current one.")
    ] = None,
    cell: Annotated[
        str | None, typer.Option("--cell", metavar="NAME", help="Only this cell, or all repeats of this variant.")
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Say why a run's cells failed, were slow, or did not scale: cause, evidence, next step.

    For an autoscaled cell every decision of the HPA follows: the metric against its target, what that
    asks for, what limited it, and the replicas before and after. From records alone.

    Examples: foodbench explain · foodbench explain --cell mobilenetv2-1.0.litert.hpa
    """
    from foodbench.cli.console import output, print_json
    from foodbench.cli.context import find_run, open_store
    from foodbench.report.explanation import render_explanation
    from foodbench.report.folder import read_run_folder

    chosen = _chosen(read_run_folder(find_run(open_store(results), run)).cells, cell)
    if as_json:
        print_json([_plain(found) for found in chosen])
        return
    for found in chosen:
        output().print(render_explanation(found), "")


def _chosen(cells: Sequence[CellResult], name: str | None) -> tuple[CellResult, ...]:
    from foodbench.errors import InputError

    found = tuple(cell for cell in cells if name in (None, cell.cell, cell.variant.name))
    if not found:
        there = ", ".join(cell.cell for cell in cells) or "none, for nothing has been measured to its end"
        raise InputError(f"--cell: received {name}" if name else "the run has no cell", f"Its cells are {there}")
    return found


def _plain(cell: CellResult) -> dict[str, Any]:
    from dataclasses import asdict

    from foodbench.analysis.diagnosis import diagnose
    from foodbench.analysis.diagnosis import explain as explained

    return {
        "cell": cell.cell,
        "explanation": explained(cell),
        "findings": [asdict(finding) for finding in diagnose(cell)],
        "scaling_decisions": [decision.model_dump(mode="json") for decision in cell.scaling_decisions],
    }
