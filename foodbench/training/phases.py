"""One phase of training: epochs, early stopping, and the best weights kept."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from foodbench.errors import RunFailed
from foodbench.keras_door import keras
from foodbench.progress import Progress
from foodbench.records.models import EpochMetrics
from foodbench.training.batches import Examples, in_order, shuffled_for_ever

__all__ = ["Phase", "PhaseResult", "run_phase"]


@dataclass(frozen=True)
class Phase:
    """What a phase is to do."""

    name: Literal["head", "fine-tuning"]
    epochs: int
    learning_rate: float
    batch_size: int
    patience_epochs: int
    """Epochs without a lower validation loss after which the phase ends."""
    seed: tuple[int, ...]
    """Of the orders in which the examples come."""
    to_better: EpochMetrics | None = None
    """Of the weights that the phase begins with: where no epoch has a lower validation loss, they are kept."""


@dataclass(frozen=True)
class PhaseResult:
    """What a phase did. The model is left with the weights of the lowest validation loss."""

    epochs: tuple[EpochMetrics, ...]
    best: EpochMetrics
    """The epoch those weights are of; ``Phase.to_better`` where none was better."""


def run_phase(
    model: Any,
    phase: Phase,
    training: Examples,
    validation: Examples,
    *,
    progress: Progress,
    description: str,
    augment: Any | None = None,
) -> PhaseResult:
    """Train what is trainable in ``model``.

    Args:
        model: From inputs to class probabilities.
        phase: What to do.
        training: Shuffled anew every epoch.
        validation: Measured after every epoch.
        progress: Hears of every batch, in images.
        description: Of this piece of work.
        augment: Changes training inputs at random.

    Raises:
        RunFailed: The loss is no longer a number.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(phase.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    listener = _Listener(phase, len(training), len(validation), progress, description)
    model.fit(
        shuffled_for_ever(training, phase.batch_size, phase.seed, augment),
        steps_per_epoch=math.ceil(len(training) / phase.batch_size),
        epochs=phase.epochs,
        validation_data=in_order(validation, phase.batch_size),
        callbacks=[listener],
        shuffle=False,
        verbose=0,
    )
    return PhaseResult(tuple(listener.epochs), listener.keep_best())


class _Listener(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Follows one fit: records epochs, keeps the best weights, ends it early, tells how far it is."""

    def __init__(self, phase: Phase, training: int, validation: int, progress: Progress, description: str) -> None:
        super().__init__()
        self.epochs: list[EpochMetrics] = []
        self._best = phase.to_better
        self._phase = phase
        self._images = (training, validation)
        self._progress = progress
        self._description = description
        self._best_weights: list[Any] | None = None
        self._began_s = 0.0

    def on_train_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        self._best_weights = self.model.get_weights()

    def on_epoch_begin(self, _epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        self._began_s = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        if not math.isfinite(logs["loss"]):
            raise RunFailed(
                f"the training loss became {logs['loss']} in epoch {len(self.epochs) + 1} of the {self._phase.name} "
                f"phase (learning rate {self._phase.learning_rate:g})",
                "Lower the learning rate",
            )
        self._tell(min((batch + 1) * self._phase.batch_size, self._images[0]))

    def on_test_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002  Keras names it
        self._tell(self._images[0] + min((batch + 1) * self._phase.batch_size, self._images[1]))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        metrics = EpochMetrics(
            phase=self._phase.name,
            epoch=epoch + 1,
            training_loss=logs["loss"],
            training_accuracy=logs["accuracy"],
            validation_loss=_finite(logs["val_loss"], self._phase),
            validation_accuracy=logs["val_accuracy"],
            duration_s=time.monotonic() - self._began_s,
        )
        self.epochs.append(metrics)
        if self._best is None or metrics.validation_loss < self._best.validation_loss:
            self._best, self._best_weights = metrics, self.model.get_weights()
        elif metrics.epoch - self._last_better_epoch() >= self._phase.patience_epochs:
            self.model.stop_training = True

    def on_train_end(self, _logs: Mapping[str, float] | None = None) -> None:
        total = self._phase.epochs * sum(self._images)
        self._progress.step(self._description, total, total)
        if len(self.epochs) < self._phase.epochs:
            self._progress.say(
                f"{self._description}: ended after {len(self.epochs)} of {self._phase.epochs} epochs, "
                f"{self._phase.patience_epochs} without a lower validation loss"
            )

    def keep_best(self) -> EpochMetrics:
        """Give the model the weights of the lowest validation loss."""
        if self._best is None:
            raise RunFailed(f"the {self._phase.name} phase finished no epoch")
        self.model.set_weights(self._best_weights)
        return self._best

    def _last_better_epoch(self) -> int:
        return self._best.epoch if self._best in self.epochs else 0

    def _tell(self, images_of_epoch: int) -> None:
        per_epoch = sum(self._images)
        done = len(self.epochs) * per_epoch + images_of_epoch
        self._progress.step(self._description, done, self._phase.epochs * per_epoch)


def _finite(loss: float, phase: Phase) -> float:
    if not math.isfinite(loss):
        raise RunFailed(f"the validation loss of the {phase.name} phase became {loss}", "Lower the learning rate")
    return loss
