"""What a phase of training is to do, and how far it is: its epochs, its best weights, whether it ends early."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from foodbench.errors import RunFailed
from foodbench.keras_door import keras
from foodbench.progress import Progress
from foodbench.records.experiments import LearningRateSchedule
from foodbench.records.models import EpochMetrics
from foodbench.training.checkpoints import Checkpoint, Reached, write_checkpoint

__all__ = ["Course", "Phase"]

CHECKPOINT_INTERVAL_S = 1.0
"""An epoch over cached features may take less than writing a checkpoint does: as much is repeated at most."""


@dataclass(frozen=True)
class Phase:
    """What a phase is to do."""

    name: Literal["head", "fine-tuning"]
    epochs: int
    learning_rate: float
    batch_size: int
    patience_epochs: int | None
    """Epochs without a lower validation loss after which the phase ends, with the weights of the lowest. None for
    all epochs and the last weights."""
    seed: tuple[int, ...]
    """Of the orders in which the examples come, and of their augmentation."""
    learning_rate_schedule: LearningRateSchedule = "constant"
    label_smoothing: float = 0.0
    weight_decay: float = 0.0
    to_better: EpochMetrics | None = None
    """Of the weights that the phase begins with: where no epoch has a lower validation loss, they are kept."""


class Course:
    """Follows one phase: records epochs, keeps the best weights, says when it ends, tells how far it is."""

    def __init__(
        self,
        phase: Phase,
        training_images: int,
        validation_images: int,
        progress: Progress,
        description: str,
        checkpoint: Path | None,
    ) -> None:
        self.phase = phase
        self.training_images = training_images
        self.validation_images = validation_images
        self.epochs: list[EpochMetrics] = []
        self.ended = False
        self._best = phase.to_better
        self._progress = progress
        self._description = description
        self._checkpoint = checkpoint
        self._best_weights: Sequence[Any] = ()
        self._written_s = time.monotonic()

    def begin(self, model: Any, begun: Checkpoint | None) -> None:
        """Begin with ``model``, compiled; or bring it and this course to where they were after the last epoch written."""
        self._best_weights = model.get_weights()
        if begun is None:
            return
        self.epochs = list(begun.reached.epochs)
        self.ended = begun.reached.ended
        self._best, self._best_weights = begun.reached.best, begun.best_weights
        if not self.ended:
            for variable, value in zip(model.variables, begun.variables, strict=True):
                variable.assign(value)
            for variable, value in zip(model.optimizer.variables, begun.optimizer, strict=True):
                variable.assign(value)
            self._progress.say(f"{self._description}: goes on after epoch {len(self.epochs)}")

    def refuse_divergence(self, losses: Sequence[float]) -> None:
        """Raise RunFailed where a loss of training is no number any more."""
        for loss in losses:
            if not math.isfinite(loss):
                raise RunFailed(
                    f"the training loss became {loss} in epoch {len(self.epochs) + 1} of the {self.phase.name} "
                    f"phase (learning rate {self.phase.learning_rate:g})",
                    "Lower the learning rate",
                )

    def tell(self, images_of_epoch: int) -> None:
        """Tell how far the phase is."""
        per_epoch = self.training_images + self.validation_images
        done = len(self.epochs) * per_epoch + images_of_epoch
        self._progress.step(self._description, done, self.phase.epochs * per_epoch)

    def add(self, model: Any, trained: tuple[float, float], validated: tuple[float, float], duration_s: float) -> None:
        """Record an epoch by its losses and accuracies, keep its weights where they are the best, write it down."""
        metrics = EpochMetrics(
            phase=self.phase.name,
            epoch=len(self.epochs) + 1,
            training_loss=trained[0],
            training_accuracy=trained[1],
            validation_loss=_finite(validated[0], self.phase),
            validation_accuracy=validated[1],
            duration_s=duration_s,
        )
        self.epochs.append(metrics)
        patience = self.phase.patience_epochs
        without_better = 0
        if patience is None or self._best is None or metrics.validation_loss < self._best.validation_loss:
            self._best, self._best_weights = metrics, model.get_weights()
        else:
            without_better = metrics.epoch - self._last_better_epoch()
        self.ended = metrics.epoch == self.phase.epochs or (patience is not None and without_better >= patience)
        if self.ended or time.monotonic() - self._written_s >= CHECKPOINT_INTERVAL_S:
            self._write(model)
            self._written_s = time.monotonic()
        if self.ended:
            self._tell_end()

    def kept(self) -> Checkpoint | None:
        """Return the epochs and the weights that are kept; None before the first."""
        if self._best is None:
            return None
        reached = Reached(epochs=tuple(self.epochs), best=self._best, ended=self.ended)
        return Checkpoint(reached, tuple(self._best_weights))

    def _write(self, model: Any) -> None:
        kept = self.kept()
        if self._checkpoint is not None and kept is not None:
            rest = () if self.ended else (_values(model.variables), _values(model.optimizer.variables))
            write_checkpoint(self._checkpoint, Checkpoint(kept.reached, kept.best_weights, *rest))

    def _last_better_epoch(self) -> int:
        return self._best.epoch if self._best in self.epochs else 0

    def _tell_end(self) -> None:
        total = self.phase.epochs * (self.training_images + self.validation_images)
        self._progress.step(self._description, total, total)
        if len(self.epochs) < self.phase.epochs:
            self._progress.say(
                f"{self._description}: ended after {len(self.epochs)} of {self.phase.epochs} epochs, "
                f"{self.phase.patience_epochs} without a lower validation loss"
            )


def _values(variables: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(keras.ops.convert_to_numpy(variable) for variable in variables)


def _finite(loss: float, phase: Phase) -> float:
    if not math.isfinite(loss):
        raise RunFailed(f"the validation loss of the {phase.name} phase became {loss}", "Lower the learning rate")
    return loss
