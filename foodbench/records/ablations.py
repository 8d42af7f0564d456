"""What each step of a recipe is worth: the model trained with it and without it."""

from __future__ import annotations

from pydantic import Field

from foodbench.records.base import Record
from foodbench.records.experiments import Runtime
from foodbench.records.provenance import Provenance

__all__ = ["AblatedStep", "Ablation"]


class AblatedStep(Record):
    """The model that was trained without one step."""

    step: str
    """Of the recipe, as the report lists it."""
    model_digest: str
    validation_accuracy: float = Field(ge=0, le=1)
    accuracy: float = Field(ge=0, le=1)
    """Of the evaluation split, as everywhere."""
    gained: int = Field(ge=0)
    """Evaluation images that only the model with the step has right."""
    lost: int = Field(ge=0)
    """Those that only the model without the step has right."""
    latencies_ms: tuple[float, ...]
    """Of one image in one thread: a median in each round, in the order of the rounds."""


class Ablation(Record):
    """A recipe, and what is left of it without each of its steps."""

    model_name: str
    model_digest: str
    runtime: Runtime
    """That the latencies were measured with."""
    marks: tuple[str, ...]
    images: int
    """Of the evaluation split."""
    validation_accuracy: float = Field(ge=0, le=1)
    accuracy: float = Field(ge=0, le=1)
    latencies_ms: tuple[float, ...]
    """As of the steps; each round measures all models in turn."""
    steps: tuple[AblatedStep, ...]
    provenance: Provenance
