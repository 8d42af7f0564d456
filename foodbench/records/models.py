"""What training leaves: the model, how it was trained, how accurate it is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from foodbench.records.base import Record
from foodbench.records.datasets import DatasetRecord, Split
from foodbench.records.experiments import ModelSpec
from foodbench.records.provenance import Provenance

__all__ = [
    "Calibration",
    "EpochMetrics",
    "Evaluation",
    "ModelArtifact",
    "ParameterCount",
    "PartTrained",
    "ReliabilityBin",
    "WeightsUsed",
]

PartTrained = Literal["head", "whole-model", "nothing"]

BYTES_PER_PARAMETER = 4
"""Parameters are float32."""


class ParameterCount(Record):
    """Parameters of the base, in Keras' own three figures (every layer trainable)."""

    total: int
    trainable: int
    non_trainable: int

    @property
    def size_bytes(self) -> int:
        """What all of them take in float32."""
        return BYTES_PER_PARAMETER * self.total


class WeightsUsed(Record):
    """Which weights the base began with."""

    kind: Literal["imagenet", "file", "random"]
    file_name: str | None = None
    sha256: str | None = None


class EpochMetrics(Record):
    """One epoch of one phase."""

    phase: Literal["head", "fine-tuning"]
    epoch: int
    """From 1, counted within the phase."""
    training_loss: float
    training_accuracy: float
    validation_loss: float
    validation_accuracy: float
    duration_s: float


class ReliabilityBin(Record):
    """Images whose largest probability lies above ``low`` and at most at ``high``."""

    low: float
    high: float
    images: int
    confidence: float | None
    """Mean of the largest probabilities; None without images, as in the next."""
    accuracy: float | None


class Calibration(Record):
    """How far a model's probabilities are from how often it is right."""

    expected_error: float = Field(ge=0, le=1)
    """Expected calibration error: mean of |accuracy - confidence| over the bins, weighted by their images."""
    bins: tuple[ReliabilityBin, ...]


class Evaluation(Record):
    """A model's answers on one split."""

    split: Split
    images: int
    correct: int
    accuracy: float = Field(ge=0, le=1)
    accuracy_low: float = Field(ge=0, le=1)
    """Lower end of the 95 % Wilson score interval."""
    accuracy_high: float = Field(ge=0, le=1)
    loss: float | None
    """Mean sparse categorical cross-entropy, in nats."""
    confusion: tuple[tuple[int, ...], ...]
    """Images by true class (row) and predicted class (column)."""
    calibration: Calibration | None = None
    """None in older records."""
    right: str = ""
    """Which images were right, so that two models can be compared image by image: a hexadecimal digit for four
    images in the order of the data set, the first in its highest bit; empty in older records."""


class ModelArtifact(Record):
    """A trained model on disk."""

    digest: str
    """Of the resolved inputs: specification, data set digest, weights."""
    spec: ModelSpec
    dataset: DatasetRecord
    weights: WeightsUsed
    base_parameters: ParameterCount
    """Of a classifier that is taken as it is, those of the whole."""
    model_parameters: int
    head_phase_trained: PartTrained = "head"
    """What the first phase trained: the head alone, or, the initial weights being random, all of the model. Nothing
    where a trained classifier was given, which is taken as it is: neither phase took place."""
    epochs: tuple[EpochMetrics, ...]
    validation_accuracy_head: float | None
    """None where nothing was trained."""
    validation_accuracy_fine_tuned: float | None
    """None where no fine-tuning took place."""
    evaluation: Evaluation
    keras_file: str
    """File name, beside the record."""
    keras_file_sha256: str
    keras_file_bytes: int
    training_duration_s: float
    """Of both phases, and of decoding where the images were not cached; of a run gone on with, its last part."""
    peak_memory_bytes: int | None = None
    """Largest resident set of the training process, TensorFlow included; None where it could not be read."""
    replicas_in_training: int = 1
    """How many devices of all machines shared every batch; 1 where none was shared."""
    token_training_images: int | None = None
    """Training images of a token training; None where the recipe was followed on all of them."""
    provenance: Provenance

    @property
    def as_it_is(self) -> bool:
        """Whether a trained classifier was given, and nothing was trained here."""
        return self.head_phase_trained == "nothing"

    @property
    def validation_accuracy(self) -> float | None:
        """At the end of the last phase; None where nothing was trained."""
        tuned = self.validation_accuracy_fine_tuned
        return self.validation_accuracy_head if tuned is None else tuned

    @property
    def marks(self) -> tuple[str, ...]:
        """What must be said wherever this model's accuracy is shown."""
        marks = [self.dataset.label]
        if self.token_training_images is not None:
            marks.append(f"random initial weights, token training on {self.token_training_images} images")
        elif self.weights.kind == "random":
            marks.append("random initial weights")
        elif self.as_it_is:
            # What it has seen is not known; it may have been the very images it is judged on.
            marks.append(f"{self.weights.file_name} as it is, trained elsewhere")
        elif self.spec.has_own_file:
            marks.append(f"base from {self.weights.file_name}")
        return tuple(marks)
