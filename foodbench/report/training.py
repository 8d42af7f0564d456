"""What training left, for people: recipe, accuracy and classes as tables, curves and errors as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from foodbench.errors import MachineError
from foodbench.records.models import ModelArtifact
from foodbench.report.files import summary_markdown
from foodbench.report.models import classes_summary, models_summary
from foodbench.report.pictures import Picture, written
from foodbench.report.plots.canvas import style
from foodbench.report.plots.training import draw_confusion, draw_curves, draw_reliability
from foodbench.store import Store

__all__ = ["model_pictures", "models_markdown", "write_training_report"]


def write_training_report(models: Sequence[ModelArtifact], directory: Path) -> Path:
    """Write the tables and pictures of ``models`` into ``directory``, replacing those that are there.

    Returns:
        The folder: ``models.md``, and ``plots`` with curves, confusion and calibration of each model.

    Raises:
        MachineError: The disk is full or the folder cannot be written.
    """
    try:
        with Store(directory.parent).fresh_directory(directory) as temporary:
            (temporary / "models.md").write_text("\n".join(models_markdown(models, level=1)), encoding="utf-8")
            plots = temporary / "plots"
            plots.mkdir()
            with style():
                for model in models:
                    for _ in model_pictures(model, plots):
                        pass
    except OSError as error:
        raise MachineError(
            f"cannot write {directory}: {error.strerror or error}", "Free some disk space, or make the folder writable"
        ) from error
    return directory


def models_markdown(models: Sequence[ModelArtifact], level: int = 2) -> Iterator[str]:
    """Yield the table of all models under a heading of ``level``, then the classes of each one level below."""
    if not models:
        return
    yield summary_markdown(models_summary(models), level=level)
    for model in models:
        yield summary_markdown(
            classes_summary(model.spec.name, model.dataset.classes, model.evaluation), level=level + 1
        )


def model_pictures(model: ModelArtifact, plots: Path) -> Iterator[Picture]:
    """Draw a model's curves, confusion and calibration, write each into ``plots``, and hand it on."""
    name = f"{model.spec.name}-{model.digest}"
    if not model.as_it_is:
        alt = f"Accuracy and loss over the epochs of {model.spec.name}"
        yield written(draw_curves(model), plots, f"training-{name}", "curves", alt, model.digest, with_svg=True)
    alt = f"Confusion matrix of {model.spec.name}"
    yield written(draw_confusion(model), plots, f"confusion-{name}", "confusion", alt, model.digest, with_svg=True)
    calibration = model.evaluation.calibration
    if calibration is not None:
        figure = draw_reliability(model.spec.name, "; ".join(model.marks), calibration)
        alt = f"Accuracy against confidence of {model.spec.name}"
        yield written(figure, plots, f"calibration-{name}", "calibration", alt, model.digest, with_svg=True)
