"""From the records of a run to tables, plots and pages.

folder     a run folder's records, read and joined
figures    what is shown of a variant: name, unit, how to read it; the one list behind every table
summary    the figures of all variants
terminal   the summary for a terminal
files      the summary as CSV and Markdown
plots/     the pictures
page       the self-contained HTML page
training   recipes, accuracy and errors of trained models, with or without a run
build      all of it, written into the run folder
frames     the run as pandas DataFrames
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foodbench.report.build import ReportFiles, write_report
    from foodbench.report.frames import RunFrames, load_run
    from foodbench.report.terminal import render_summary
    from foodbench.report.training import write_training_report

__all__ = ["ReportFiles", "RunFrames", "load_run", "render_summary", "write_report", "write_training_report"]

_HOMES = {
    "ReportFiles": "build",
    "RunFrames": "frames",
    "load_run": "frames",
    "render_summary": "terminal",
    "write_report": "build",
    "write_training_report": "training",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the terminal's table needs neither pandas nor matplotlib."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
