"""The steps of a recipe, each with the recipe that is left without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from foodbench.errors import InputError
from foodbench.records.experiments import FineTuning, ModelSpec, Recipe

__all__ = ["Step", "steps_of", "without"]

LONGEST_NAME = 40


@dataclass(frozen=True)
class Step:
    """One step that a recipe takes."""

    name: str
    slug: str
    """Of the name of the model without it."""
    left: Recipe
    """The recipe without it, all else being equal."""


def steps_of(recipe: Recipe) -> tuple[Step, ...]:
    """Return the steps that ``recipe`` takes, in the order of the report, then what it has beyond the report's.

    The loss itself is none of them: without it nothing would be trained.
    """
    return tuple(_steps(recipe))


def without(spec: ModelSpec, step: Step) -> ModelSpec:
    """Return ``spec`` with the recipe that is left without ``step``, under a name that says so.

    Raises:
        InputError: That name would be too long.
    """
    name = f"{spec.name}.{step.slug}"
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"model {spec.name}: {name} is longer than the {LONGEST_NAME} letters a name may have",
            "Give the model a shorter name",
        )
    return spec.model_copy(update={"name": name, "recipe": step.left})


def _steps(recipe: Recipe) -> Iterator[Step]:
    tuning = recipe.fine_tuning
    if recipe.augmentation is not None:
        yield _step("Data augmentation", "no-augmentation", recipe, augmentation=None, augmentation_draws=None)
    if recipe.early_stopping_patience_epochs is not None:
        yield _step("Early stopping", "no-early-stop", recipe, early_stopping_patience_epochs=None)
    if tuning.epochs:
        name = f"Fine-tuning of the last {tuning.unfrozen_layers} layers"
        yield _step(name, "no-fine-tuning", recipe, fine_tuning=FineTuning(epochs=0))
        if tuning.learning_rate != recipe.head.learning_rate:
            same = tuning.model_copy(update={"learning_rate": recipe.head.learning_rate})
            yield _step("Reduced learning rate of fine-tuning", "no-reduced-rate", recipe, fine_tuning=same)
    if recipe.label_smoothing:
        yield _step("Label smoothing", "no-smoothing", recipe, label_smoothing=0.0)
    if recipe.dropout:
        yield _step("Dropout", "no-dropout", recipe, dropout=0.0)
    if recipe.weight_decay:
        yield _step("Weight decay", "no-decay", recipe, weight_decay=0.0)


def _step(name: str, slug: str, recipe: Recipe, **changes: Any) -> Step:
    return Step(name, slug, recipe.model_copy(update=changes))
