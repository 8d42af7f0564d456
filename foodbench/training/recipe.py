"""The two-phase recipe: the head first, then the last layers of the base."""

from __future__ import annotations

from dataclasses import dataclass, replace

from foodbench.keras_door import outputs
from foodbench.progress import Progress
from foodbench.records.experiments import ModelSpec, Recipe
from foodbench.records.models import EpochMetrics
from foodbench.training.augmentation import build_augmentation
from foodbench.training.backbones import Classifier, unfreeze_last
from foodbench.training.batches import Examples, as_it_is
from foodbench.training.catalogue import scaling_of
from foodbench.training.phases import Phase, run_phase

__all__ = ["TrainedPhases", "follow_recipe"]


@dataclass(frozen=True)
class TrainedPhases:
    """Both phases' epochs, and what was reached at the end of each."""

    epochs: tuple[EpochMetrics, ...]
    validation_accuracy_head: float
    validation_accuracy_fine_tuned: float | None
    """None where no fine-tuning took place."""


def follow_recipe(
    classifier: Classifier,
    spec: ModelSpec,
    training: Examples,
    validation: Examples,
    *,
    whole_model: bool,
    progress: Progress,
) -> TrainedPhases:
    """Train ``classifier`` as ``spec.recipe`` says.

    Phase "head" trains the softmax head over the frozen base. Without augmentation the base gives the
    same features every epoch: they are computed once. Phase "fine-tuning" goes on with the last layers
    of the base, BatchNorm in inference mode; where that makes the validation loss no better, the
    weights of the first phase stay.

    Args:
        classifier: Trained in place.
        spec: Resolved.
        training: uint8 images.
        validation: uint8 images.
        whole_model: Train the base in the first phase too: a frozen base of random weights gives
            features that say little, and its head would learn little.
        progress: Told of every batch.
    """
    recipe = spec.recipe
    augment = build_augmentation(recipe.augmentation, recipe.seed)
    head = _head_phase(recipe)
    describe = f"Training {spec.name}, {{}}".format
    if whole_model or augment is not None:
        classifier.base.trainable = whole_model
        description = describe("whole model" if whole_model else "head")
        first = run_phase(
            classifier.model, head, training, validation, progress=progress, description=description, augment=augment
        )
    else:
        features = [_features(classifier, part, spec, progress) for part in (training, validation)]
        first = run_phase(classifier.head, head, *features, progress=progress, description=describe("head"))
    if recipe.fine_tuning.epochs == 0:
        return TrainedPhases(first.epochs, first.best.validation_accuracy, None)
    unfreeze_last(classifier, recipe.fine_tuning.unfrozen_layers)
    second = run_phase(
        classifier.model,
        replace(
            head,
            name="fine-tuning",
            epochs=recipe.fine_tuning.epochs,
            learning_rate=recipe.fine_tuning.learning_rate,
            seed=(recipe.seed, 1),
            to_better=first.best,
        ),
        training,
        validation,
        progress=progress,
        description=describe("fine-tuning"),
        augment=augment,
    )
    return TrainedPhases(first.epochs + second.epochs, first.best.validation_accuracy, second.best.validation_accuracy)


def _head_phase(recipe: Recipe) -> Phase:
    return Phase(
        name="head",
        epochs=recipe.head.epochs,
        learning_rate=recipe.head.learning_rate,
        batch_size=recipe.batch_size,
        patience_epochs=recipe.early_stopping_patience_epochs,
        seed=(recipe.seed, 0),
    )


def _features(classifier: Classifier, examples: Examples, spec: ModelSpec, progress: Progress) -> Examples:
    description = f"Features of {len(examples)} images by {spec.backbone}"
    features = outputs(
        classifier.features,
        examples.values,
        scaling_of(spec),
        heard=lambda done: progress.step(description, done, len(examples)),
    )
    return as_it_is(features, examples.labels)
