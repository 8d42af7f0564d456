"""The two-phase recipe: the head first, then the last layers of the base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from foodbench.progress import Progress
from foodbench.records.experiments import ModelSpec, Recipe
from foodbench.records.models import EpochMetrics
from foodbench.training.augmentation import build_augmenter
from foodbench.training.backbones import Classifier, unfreeze_last
from foodbench.training.batches import Examples
from foodbench.training.course import Phase
from foodbench.training.frozen import FrozenPart, Inputs
from foodbench.training.phases import PhaseResult, run_phase
from foodbench.training.splitting import Cut, cut_before_last

__all__ = ["NOTHING_TRAINED", "TrainedPhases", "follow_recipe", "head_phase"]


@dataclass(frozen=True)
class TrainedPhases:
    """Both phases' epochs, and what was reached at the end of each."""

    epochs: tuple[EpochMetrics, ...]
    validation_accuracy_head: float | None
    """None where nothing was trained."""
    validation_accuracy_fine_tuned: float | None
    """None where no fine-tuning took place."""


NOTHING_TRAINED = TrainedPhases((), None, None)


def follow_recipe(
    classifier: Classifier,
    spec: ModelSpec,
    training: Examples,
    validation: Examples,
    *,
    whole_model: bool,
    directory: Path,
    progress: Progress,
) -> TrainedPhases:
    """Train ``classifier`` as ``spec.recipe`` says, or go on where that was begun.

    Phase "head" trains the softmax head over the frozen base. Phase "fine-tuning" goes on with the last
    layers of the base, BatchNorm in inference mode; where that makes the validation loss no better, the
    weights of the first phase stay.

    Frozen layers give the same every epoch where nothing is augmented, or where a number of augmented
    draws is taken in turn: then they are computed once, and a phase trains only what comes after them.

    Args:
        classifier: Trained in place.
        spec: Resolved.
        training: uint8 images.
        validation: uint8 images.
        whole_model: Train the base in the first phase too: a frozen base of random weights gives
            features that say little, and its head would learn little.
        directory: For what the frozen layers answer, and what each phase has reached.
        progress: Told of every batch.

    Raises:
        RunFailed: The loss is no longer a number.
        MachineError: The disk is full.
    """
    images = Inputs((training,), validation, build_augmenter(spec.recipe.augmentation, spec.recipe.seed))
    work = _Work(classifier, spec, images, whole_model, directory, progress)
    first = _train_head(work)
    if spec.recipe.fine_tuning.epochs == 0:
        return TrainedPhases(first.epochs, first.kept.validation_accuracy, None)
    second = _fine_tune(work, first)
    return TrainedPhases(first.epochs + second.epochs, first.kept.validation_accuracy, second.kept.validation_accuracy)


@dataclass(frozen=True)
class _Work:
    classifier: Classifier
    spec: ModelSpec
    images: Inputs
    whole_model: bool
    directory: Path
    progress: Progress

    @property
    def draws(self) -> int:
        """How many versions of the training images pass frozen layers once; 0 where every epoch has its own."""
        return 1 if self.images.augment is None else self.spec.recipe.augmentation_draws or 0

    @cached_property
    def cut(self) -> Cut | None:
        """Behind which fine-tuning trains; None where it does not, or cannot begin in the middle."""
        tuning = self.spec.recipe.fine_tuning
        return cut_before_last(self.classifier, tuning.unfrozen_layers) if self.draws and tuning.epochs else None

    def behind(self, model: Any, name: str, inputs: Inputs) -> Inputs:
        frozen = FrozenPart(model, name, self.directory, f"Frozen layers of {self.spec.name}", self.progress)
        return frozen.answers(inputs, self.draws)

    def between(self, cut: Cut) -> Inputs:
        return self.behind(cut.front, "between", self.images)

    def run(self, model: Any, phase: Phase, inputs: Inputs, what: str) -> PhaseResult:
        return run_phase(
            model,
            phase,
            inputs.draws,
            inputs.validation,
            augment=inputs.augment,
            progress=self.progress,
            description=f"Training {self.spec.name}, {what}",
            checkpoint=self.directory / f"{phase.name}.npz",
        )


def _train_head(work: _Work) -> PhaseResult:
    phase = head_phase(work.spec.recipe)
    if work.whole_model or not work.draws:
        work.classifier.base.trainable = work.whole_model
        return work.run(work.classifier.model, phase, work.images, "whole model" if work.whole_model else "head")
    if work.cut is None:
        features = work.behind(work.classifier.features, "features", work.images)
    else:
        features = work.behind(work.cut.features, "features", work.between(work.cut))
    return work.run(work.classifier.head, phase, features, "head")


def _fine_tune(work: _Work, first: PhaseResult) -> PhaseResult:
    tuning = work.spec.recipe.fine_tuning
    phase = replace(
        head_phase(work.spec.recipe),
        name="fine-tuning",
        epochs=tuning.epochs,
        learning_rate=tuning.learning_rate,
        learning_rate_schedule=tuning.learning_rate_schedule,
        seed=(work.spec.recipe.seed, 1),
        to_better=first.kept,
    )
    if work.cut is None:
        unfreeze_last(work.classifier, tuning.unfrozen_layers)
        return work.run(work.classifier.model, phase, work.images, "fine-tuning")
    inputs = work.between(work.cut)
    unfreeze_last(work.classifier, tuning.unfrozen_layers)
    return work.run(work.cut.model, phase, inputs, "fine-tuning")


def head_phase(recipe: Recipe) -> Phase:
    """Return what the first phase is to do."""
    return Phase(
        name="head",
        epochs=recipe.head.epochs,
        learning_rate=recipe.head.learning_rate,
        learning_rate_schedule=recipe.head.learning_rate_schedule,
        batch_size=recipe.batch_size,
        patience_epochs=recipe.early_stopping_patience_epochs,
        seed=(recipe.seed, 0),
        label_smoothing=recipe.label_smoothing,
        weight_decay=recipe.weight_decay,
    )
