"""How models were trained and how right they are: the recipe as the report lists it, the figures, the classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foodbench.analysis.classes import ClassScores, class_scores, poor_classes
from foodbench.records.experiments import Augmentation, FineTuning, HeadTraining
from foodbench.records.models import Evaluation, ModelArtifact, ParameterCount, PartTrained
from foodbench.report.figures import figure_text
from foodbench.report.summary import Row, Section, Shown, Summary

__all__ = ["classes_summary", "models_summary"]

MIB = 2**20
KIB = 2**10


def models_summary(models: Sequence[ModelArtifact]) -> Summary:
    """Return the table of all models, a column each."""
    sections = tuple(
        Section(title, tuple(Row(label, tuple(Shown(of(model)) for model in models)) for label, of in rows))
        for title, rows in SECTIONS
    )
    return Summary("Models", tuple(model.spec.name for model in models), sections, ())


def classes_summary(name: str, classes: Sequence[str], evaluation: Evaluation) -> Summary:
    """Return the table of the classes: precision, recall with its interval, F1 and support of each, and their means.

    Args:
        name: The model's.
        classes: Their names, in order.
        evaluation: What the model answered.
    """
    scores = class_scores(classes, evaluation)
    rows = [
        Row(one.name, _cells(one.precision, one.recall, f"{one.low:.3f} to {one.high:.3f}", one.f1, one.images))
        for one in scores
    ]
    means = [_mean(scores, of) for of in (lambda one: one.precision, lambda one: one.recall, lambda one: one.f1)]
    rows.append(Row("Mean over classes", _cells(means[0], means[1], "", means[2], evaluation.images)))
    columns = ("Precision", "Recall", "Its 95 % interval", "F1", "Images")
    return Summary(f"Classes of {name}", columns, (Section("Class", tuple(rows)),), ())


def _cells(
    precision: float | None, recall: float | None, interval: str, f1: float | None, images: int
) -> tuple[Shown, ...]:
    texts = (figure_text(precision, 3), figure_text(recall, 3), interval, figure_text(f1, 3), f"{images:,}")
    return tuple(Shown(text) for text in texts)


def _mean(scores: Sequence[ClassScores], of: Callable[[ClassScores], float | None]) -> float | None:
    values = [value for one in scores if (value := of(one)) is not None]
    return sum(values) / len(values) if values else None


def _parameters(of: Callable[[ParameterCount], int]) -> Callable[[ModelArtifact], str]:
    def text(model: ModelArtifact) -> str:
        count = of(model.base_parameters)
        size = ParameterCount(total=count, trainable=0, non_trainable=0).size_bytes
        # As Keras' summary does, whose MB and KB are these.
        return f"{count:,} ({size / MIB:.2f} MB)" if size >= MIB else f"{count:,} ({size / KIB:.2f} KB)"

    return text


def _changes(of: Callable[[Augmentation], str]) -> Callable[[ModelArtifact], str]:
    def text(model: ModelArtifact) -> str:
        return (
            "none" if model.as_it_is or model.spec.recipe.augmentation is None else of(model.spec.recipe.augmentation)
        )

    return text


def _fine_tuned(of: Callable[[ModelArtifact], str]) -> Callable[[ModelArtifact], str]:
    return _trained(lambda model: of(model) if model.spec.recipe.fine_tuning.epochs else "none")


def _trained(of: Callable[[ModelArtifact], str]) -> Callable[[ModelArtifact], str]:
    return lambda model: "none" if model.as_it_is else of(model)


def _range(value: float, unit: str) -> str:
    return f"up to ±{value:g}{unit}" if value else "none"


def _epochs(model: ModelArtifact, phase: str, planned: int) -> str:
    done = sum(epoch.phase == phase for epoch in model.epochs)
    return f"{done} of {planned}" if done < planned else str(done)


def _optimiser(model: ModelArtifact, phase: HeadTraining | FineTuning) -> str:
    decay = model.spec.recipe.weight_decay
    name = f"AdamW (decay {decay:g})" if decay else "Adam"
    falling = ", falling as a cosine" if phase.learning_rate_schedule == "cosine" else ""
    return f"{name}, {phase.learning_rate:g}{falling}"


def _regularisation(model: ModelArtifact) -> str:
    recipe = model.spec.recipe
    steps = {"dropout": recipe.dropout, "label smoothing": recipe.label_smoothing}
    return ", ".join(f"{name} {value:g}" for name, value in steps.items() if value) or "none"


def _patience(model: ModelArtifact) -> str:
    patience = model.spec.recipe.early_stopping_patience_epochs
    return "none" if patience is None else f"{patience} epochs without gain"


def _draws(model: ModelArtifact) -> str:
    recipe = model.spec.recipe
    if model.as_it_is or recipe.augmentation is None:
        return "none"
    return "in every epoch" if recipe.augmentation_draws is None else f"{recipe.augmentation_draws} in turn"


def _backbone(model: ModelArtifact) -> str:
    width = "" if model.spec.width is None else f", width {model.spec.width:g}"
    return f"{model.spec.backbone}{width}"


def _evaluated(model: ModelArtifact) -> str:
    evaluation = model.evaluation
    return f"{evaluation.accuracy:.4f} ({evaluation.accuracy_low:.4f} to {evaluation.accuracy_high:.4f})"


def _calibration_error(model: ModelArtifact) -> str:
    return figure_text(None if model.evaluation.calibration is None else model.evaluation.calibration.expected_error, 4)


def _poor(model: ModelArtifact) -> str:
    return ", ".join(f"{one.name} {one.recall:.3f}" for one in poor_classes(model)) or "none for sure"


Rows = tuple[tuple[str, Callable[[ModelArtifact], str]], ...]

BASE: Rows = (
    ("Backbone", _backbone),
    ("Initial weights", lambda model: model.weights.kind),
    ("Total params", _parameters(lambda count: count.total)),
    ("Trainable params", _parameters(lambda count: count.trainable)),
    ("Non-trainable params", _parameters(lambda count: count.non_trainable)),
)

AUGMENTATION: Rows = (
    ("Input", lambda model: f"{model.spec.input_size_px} px, {model.spec.scaling or 'own scaling'}"),
    ("Rotation", _changes(lambda a: _range(a.rotation_degrees, "°"))),
    ("Zooming", _changes(lambda a: _range(100 * a.zoom_fraction, " %"))),
    ("Translation", _changes(lambda a: _range(100 * a.shift_fraction, " %"))),
    ("Shearing", _changes(lambda a: _range(a.shear_degrees, "°"))),
    ("Horizontal flipping", _changes(lambda a: "yes" if a.horizontal_flip else "none")),
    ("Draws", _draws),
)

PARTS_TRAINED: dict[PartTrained, str] = {
    "head": "the head",
    "whole-model": "the whole model",
    "nothing": "nothing, taken as it is",
}

HEAD: Rows = (
    ("Trained", lambda model: PARTS_TRAINED[model.head_phase_trained]),
    ("Optimiser, learning rate", _trained(lambda model: _optimiser(model, model.spec.recipe.head))),
    ("Epochs", _trained(lambda model: _epochs(model, "head", model.spec.recipe.head.epochs))),
    ("Regularisation", _trained(_regularisation)),
    ("Batch size", _trained(lambda model: str(model.spec.recipe.batch_size))),
    ("Early stopping after", _trained(_patience)),
    ("Validation accuracy at its end", lambda model: figure_text(model.validation_accuracy_head, 4)),
)

FINE_TUNING: Rows = (
    ("Layers unfrozen", _fine_tuned(lambda model: f"the last {model.spec.recipe.fine_tuning.unfrozen_layers}")),
    ("Optimiser, learning rate", _fine_tuned(lambda model: _optimiser(model, model.spec.recipe.fine_tuning))),
    ("Epochs", _fine_tuned(lambda model: _epochs(model, "fine-tuning", model.spec.recipe.fine_tuning.epochs))),
    ("Validation accuracy at its end", lambda model: figure_text(model.validation_accuracy_fine_tuned, 4)),
)

RESULT: Rows = (
    ("Evaluation accuracy (95 % interval)", _evaluated),
    ("Evaluation loss", lambda model: figure_text(model.evaluation.loss, 4)),
    ("Expected calibration error", _calibration_error),
    ("Poor classes", _poor),
    ("Size on disk (MiB)", lambda model: f"{model.keras_file_bytes / MIB:.2f}"),
    ("Training time (s)", lambda model: f"{model.training_duration_s:,.0f}"),
    ("Measured on", lambda model: "; ".join(model.marks)),
)

SECTIONS: tuple[tuple[str, Rows], ...] = (
    ("Base model", BASE),
    ("Augmentation", AUGMENTATION),
    ("Training of the head", HEAD),
    ("Fine-tuning", FINE_TUNING),
    ("Result", RESULT),
)
