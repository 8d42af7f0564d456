"""Writes a run's report into its folder, from the records and streams alone, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from foodbench.analysis.advice import advise
from foodbench.analysis.verdicts import verdicts
from foodbench.errors import MachineError
from foodbench.records.runs import CellResult
from foodbench.records.traces import DEPLOYMENT_COLUMNS, LOAD_COLUMNS, REPLICA_COLUMNS
from foodbench.report.exports import export_rows, export_summary
from foodbench.report.files import advice_markdown, summary_csv, summary_markdown
from foodbench.report.folder import RunFolder, read_run_folder
from foodbench.report.models import classes_summary, models_summary
from foodbench.report.page import Picture, render_page
from foodbench.report.plots.canvas import as_png, as_svg, style
from foodbench.report.plots.timeline import draw_timeline
from foodbench.report.plots.tradeoff import TRADEOFFS, draw_tradeoff
from foodbench.report.plots.training import draw_confusion, draw_curves, draw_reliability
from foodbench.report.summary import summarise, summary_rows
from foodbench.store import Store
from foodbench.streams import read_stream

__all__ = ["ReportFiles", "write_report"]


@dataclass(frozen=True)
class ReportFiles:
    """Where a report's files are."""

    directory: Path
    html: Path
    csv: Path
    markdown: Path
    plots: tuple[Path, ...]


def write_report(directory: Path, *, accuracy_wanted: float | None = None) -> ReportFiles:
    """Write tables, plots and the page of a run into its folder ``report``, replacing those that are there.

    Args:
        directory: ``results/<experiment>/<run>``.
        accuracy_wanted: Least evaluation accuracy of a recommended variant, as a fraction. Default: as accurate
            as the best, as far as the numbers can tell.

    Raises:
        StoreError: The folder is no run, or a record in it is damaged.
        MachineError: The report cannot be written.
    """
    folder = read_run_folder(directory)
    title = folder.run.experiment.title
    summary = summarise(folder.variants, title, unmeasured=folder.unmeasured)
    advice = advise(folder.variants, accuracy_wanted=accuracy_wanted)
    told = verdicts(folder.variants, advice)
    largest_loss = folder.run.experiment.packaging.largest_accuracy_loss
    exports = export_summary(folder.bundles, folder.models, largest_loss)
    final = directory / "report"
    try:
        with Store(directory).fresh_directory(final) as temporary:
            pictures = tuple(_pictures(folder, temporary / "plots"))
            (temporary / "summary.csv").write_text(summary_csv(summary_rows(folder.variants)), encoding="utf-8")
            rows = export_rows(folder.bundles, folder.models, largest_loss)
            (temporary / "exports.csv").write_text(summary_csv(rows), encoding="utf-8")
            tables = (
                summary_markdown(summary),
                advice_markdown(advice, told),
                *([summary_markdown(exports, level=2)] if folder.bundles else []),
                *_models_markdown(folder),
            )
            markdown = "\n".join(tables)
            (temporary / "summary.md").write_text(markdown, encoding="utf-8")
            page = render_page(folder, summary, exports, advice, told, pictures)
            (temporary / "report.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise MachineError(
            f"cannot write {final}: {error.strerror or error}", "Free some disk space, or make the folder writable"
        ) from error
    return ReportFiles(
        final,
        final / "report.html",
        final / "summary.csv",
        final / "summary.md",
        tuple(sorted((final / "plots").iterdir())),
    )


def _models_markdown(folder: RunFolder) -> Iterator[str]:
    if not folder.models:
        return
    yield summary_markdown(models_summary(folder.models), level=2)
    for model in folder.models:
        yield summary_markdown(classes_summary(model.spec.name, model.dataset.classes, model.evaluation), level=3)


def _pictures(folder: RunFolder, plots: Path) -> Iterator[Picture]:
    """Draw every picture, write it, and hand it on for the page."""
    plots.mkdir()
    marks = "; ".join(dict.fromkeys(mark for facts in folder.variants for mark in facts.marks))
    with style():
        for tradeoff in TRADEOFFS:
            figure = draw_tradeoff(folder.variants, tradeoff, folder.run.experiment.title)
            alt = f"{tradeoff.title} of every variant; accuracy measured on {marks}"
            yield _written(figure, plots, tradeoff.name, "tradeoff", alt, tradeoff.title, with_svg=True)
        for cell in folder.cells:
            figure = _timeline(folder, cell)
            alt = f"Response time, CPU, memory and replicas of {cell.cell} over time"
            yield _written(figure, plots, f"timeline-{cell.cell}", "timeline", alt, cell.cell)
        for model in folder.models:
            name = f"{model.spec.name}-{model.digest}"
            if not model.as_it_is:
                alt = f"Accuracy and loss over the epochs of {model.spec.name}"
                yield _written(
                    draw_curves(model), plots, f"training-{name}", "curves", alt, model.digest, with_svg=True
                )
            alt = f"Confusion matrix of {model.spec.name}"
            yield _written(
                draw_confusion(model), plots, f"confusion-{name}", "confusion", alt, model.digest, with_svg=True
            )
            calibration = model.evaluation.calibration
            if calibration is not None:
                figure = draw_reliability(model.spec.name, "; ".join(model.marks), calibration)
                alt = f"Accuracy against confidence of {model.spec.name}"
                yield _written(figure, plots, f"calibration-{name}", "calibration", alt, model.digest, with_svg=True)


def _timeline(folder: RunFolder, cell: CellResult) -> Figure:
    streams = folder.cell_directory(cell)
    return draw_timeline(
        cell,
        read_stream(streams / "samples.arrows", LOAD_COLUMNS),
        read_stream(streams / "replicas.arrows", REPLICA_COLUMNS),
        read_stream(streams / "replica_counts.arrows", DEPLOYMENT_COLUMNS),
    )


def _written(
    figure: Figure, plots: Path, name: str, kind: str, alt: str, of: str, *, with_svg: bool = False
) -> Picture:
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    png = as_png(figure)
    (plots / f"{stem}.png").write_bytes(png)
    if not with_svg:
        return Picture(kind, of, alt, "image/png", png)
    svg = as_svg(figure)
    (plots / f"{stem}.svg").write_bytes(svg)
    return Picture(kind, of, alt, "image/svg+xml", svg)
