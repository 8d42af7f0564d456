"""How one model was trained and where it errs: curves over both phases, confusion and calibration."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from foodbench.records.models import Calibration, EpochMetrics, ModelArtifact
from foodbench.report.plots.canvas import BLUE, GREY, VERMILLION, headline, new_figure

__all__ = ["draw_confusion", "draw_curves", "draw_reliability"]

MOST_CLASSES_WITH_COUNTS = 25
LETTERS_IN_LINE = 110
LABEL_HEIGHTS = (0.5, 0.3, 0.8)
"""In parts of the axes; all are above the legend."""


def draw_curves(model: ModelArtifact) -> Figure:
    """Draw accuracy and loss over the epochs of both phases, their boundary marked."""
    figure = new_figure(8.6, 4.0)
    accuracy, loss = figure.subplots(1, 2)
    _draw_metric(
        accuracy, model, "Accuracy", lambda epoch: epoch.training_accuracy, lambda epoch: epoch.validation_accuracy
    )
    _draw_metric(
        loss, model, "Cross-entropy (nats)", lambda epoch: epoch.training_loss, lambda epoch: epoch.validation_loss
    )
    accuracy.set_ylim(0, 1.02)
    loss.set_ylim(0, 1.05 * loss.dataLim.y1)
    _mark_boundary(accuracy, model)
    _mark_boundary(loss, model)
    headline(accuracy, f"Training of {model.spec.name}", _marks(model))
    accuracy.legend(loc="lower right", fontsize=8, frameon=True, framealpha=0.9, edgecolor="none")
    return figure


def _marks(model: ModelArtifact) -> str:
    return textwrap.fill(
        f"{model.spec.backbone}, {model.spec.input_size_px} px, on {'; '.join(model.marks)}", LETTERS_IN_LINE
    )


def _draw_metric(
    axes: Axes,
    model: ModelArtifact,
    name: str,
    training: Callable[[EpochMetrics], float],
    validation: Callable[[EpochMetrics], float],
) -> None:
    epochs = model.epochs
    numbers = np.arange(1, len(epochs) + 1)
    # A dot for each epoch: a phase of one epoch is seen too.
    axes.plot(numbers, [training(epoch) for epoch in epochs], ".-", color=BLUE, label="training")
    axes.plot(
        numbers, [validation(epoch) for epoch in epochs], "s--", color=VERMILLION, markersize=3.5, label="validation"
    )
    axes.set_xlabel("Epoch")
    axes.set_ylabel(name)
    axes.set_xlim(0.5, len(epochs) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _mark_boundary(axes: Axes, model: ModelArtifact) -> None:
    first_phase = sum(epoch.phase == "head" for epoch in model.epochs)
    if not 0 < first_phase < len(model.epochs):
        return
    around = slice(first_phase - 1, first_phase + 2)
    # Before the line itself is one of them.
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float)[around] for line in axes.lines])
    low, high = axes.get_ylim()
    axes.axvline(first_phase + 0.5, color=GREY, linewidth=1.0, linestyle=":")
    axes.annotate(
        "fine-tuning",
        (first_phase + 0.5, _clear_height((drawn - low) / (high - low))),
        (4, 0),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        rotation=90,
        verticalalignment="center",
        fontsize=8,
        color=GREY,
    )


def _clear_height(taken: NDArray[np.float64]) -> float:
    """Return the one of three heights, in parts of the axes, that is farthest from those taken."""
    return max(LABEL_HEIGHTS, key=lambda height: float(np.min(np.abs(taken - height))))


def draw_confusion(model: ModelArtifact) -> Figure:
    """Draw the confusion matrix: a row for each true class, shaded by its share, with the counts."""
    counts = np.asarray(model.evaluation.confusion, dtype=np.int64)
    classes = [textwrap.shorten(name, 24, placeholder="…") for name in model.dataset.classes]
    with_counts = len(classes) <= MOST_CLASSES_WITH_COUNTS
    side = min(12.0, 2.8 + 0.45 * len(classes))
    figure = new_figure(side + 0.8, side)
    axes = figure.add_subplot()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.grid(visible=False)
    evaluation = model.evaluation
    headline(
        axes,
        f"Confusion of {model.spec.name}",
        textwrap.fill(
            f"Accuracy {evaluation.accuracy:.3f} ({evaluation.accuracy_low:.3f} to {evaluation.accuracy_high:.3f})"
            f" on {evaluation.images:,} images of the {evaluation.split} split of {'; '.join(model.marks)}",
            int(side * 11),
        ),
    )
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    places = range(len(classes))
    if with_counts:
        axes.set_xticks(places, classes, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
        axes.set_yticks(places, classes, fontsize=8)
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axes, shrink=0.7, label="Share of the true class")
    return figure


def draw_reliability(name: str, marks: str, calibration: Calibration) -> Figure:
    """Draw how often the model is right where it is so sure, above how many images it is so sure of.

    Args:
        name: The model's.
        marks: What the probabilities were measured on.
        calibration: The bins.
    """
    figure = new_figure(4.8, 5.0)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = [one for one in calibration.bins if one.images]
    centres = [(one.low + one.high) / 2 for one in filled]
    width = calibration.bins[0].high - calibration.bins[0].low
    axes.plot([0, 1], [0, 1], ":", color=GREY, label="calibrated")
    axes.bar(centres, [one.accuracy or 0.0 for one in filled], width * 0.94, color=BLUE, label="accuracy")
    confidences = [one.confidence or 0.0 for one in filled]
    axes.plot(centres, confidences, "_", color=VERMILLION, markersize=11, markeredgewidth=2, label="mean confidence")
    below = textwrap.fill(f"Expected error {calibration.expected_error:.4f}, on {marks}", 60)
    headline(axes, f"Calibration of {name}", below)
    axes.set_ylabel("Share right")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend(loc="upper left", fontsize=8, frameon=True, framealpha=0.9, edgecolor="none")
    counts.bar(centres, [one.images for one in filled], width * 0.94, color=GREY)
    counts.set_ylabel("Images")
    counts.set_xlabel("Largest probability")
    return figure
