"""One phase of training: epochs, early stopping, the best weights kept, and where it was killed, the rest of it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from foodbench.errors import RunFailed
from foodbench.keras_door import keras
from foodbench.progress import Progress
from foodbench.records.experiments import LearningRateSchedule
from foodbench.records.models import EpochMetrics
from foodbench.training.augmentation import Augmenter
from foodbench.training.batches import Examples, in_order, shuffled_for_ever
from foodbench.training.checkpoints import Checkpoint, Reached, read_checkpoint, write_checkpoint

__all__ = ["Phase", "PhaseResult", "run_phase"]

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


@dataclass(frozen=True)
class PhaseResult:
    """What a phase did. The model is left with the weights of the epoch that was kept."""

    epochs: tuple[EpochMetrics, ...]
    kept: EpochMetrics
    """The epoch of the lowest validation loss, or the last one where the phase is not to be stopped early;
    ``Phase.to_better`` where none was better."""


def run_phase(
    model: Any,
    phase: Phase,
    draws: Sequence[Examples],
    validation: Examples,
    *,
    progress: Progress,
    description: str,
    augment: Augmenter | None = None,
    checkpoint: Path | None = None,
) -> PhaseResult:
    """Train what is trainable in ``model``, or go on where that was begun.

    Equal weights, phases and examples give equal results, killed and gone on with or not. A model built under
    a tf.distribute strategy is trained under it: its replicas share every batch, and the gradient is that of
    the batch, whatever its size. BatchNorm in training mode takes each replica's own statistics (Keras' default).

    Args:
        model: From inputs to class probabilities.
        phase: What to do.
        draws: Versions of the training examples; an epoch takes one after the other, shuffled anew.
        validation: Measured after every epoch.
        progress: Hears of every batch, in images.
        description: Of this piece of work.
        augment: Changes training inputs at random.
        checkpoint: A file in which the phase keeps what it has reached, and finds it.

    Raises:
        RunFailed: The loss is no longer a number.
        MachineError: The disk is full.
        StoreError: The checkpoint is damaged.
    """
    images = len(draws[0])
    steps = math.ceil(images / phase.batch_size)
    replicas = model.distribute_strategy.num_replicas_in_sync
    listener = _Listener(phase, images, len(validation), progress, description, checkpoint)
    with model.distribute_strategy.scope():
        measured = {"metrics" if replicas == 1 else "weighted_metrics": ["accuracy"]}
        model.compile(optimizer=_optimizer(phase, steps), loss=_loss(phase.label_smoothing), **measured)
        begun = None if checkpoint is None else read_checkpoint(checkpoint)
        if begun is not None:
            listener.go_on(model, begun)
    if not listener.ended:
        done = len(listener.epochs)
        model.fit(
            shuffled_for_ever(
                draws, phase.batch_size, phase.seed, augment=augment, epochs_done=done, replicas=replicas
            ),
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=phase.epochs,
            validation_data=in_order(validation, phase.batch_size, replicas=replicas),
            callbacks=[listener],
            shuffle=False,
            verbose=0,
        )
    return PhaseResult(tuple(listener.epochs), listener.restore_kept(model))


def _optimizer(phase: Phase, steps_per_epoch: int) -> Any:
    rate: Any = phase.learning_rate
    if phase.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=phase.epochs * steps_per_epoch)
    if phase.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=phase.weight_decay)
    return keras.optimizers.Adam(rate)


def _loss(label_smoothing: float) -> Any:
    if not label_smoothing:
        return "sparse_categorical_crossentropy"

    def smoothed(labels: Any, probabilities: Any) -> Any:
        one_hot = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), probabilities.shape[-1])
        return keras.losses.categorical_crossentropy(one_hot, probabilities, label_smoothing=label_smoothing)

    return smoothed


class _Listener(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Follows one fit: records epochs, keeps the best weights, ends it early, tells how far it is."""

    def __init__(
        self,
        phase: Phase,
        training: int,
        validation: int,
        progress: Progress,
        description: str,
        checkpoint: Path | None,
    ) -> None:
        super().__init__()
        self.epochs: list[EpochMetrics] = []
        self.ended = False
        self._best = phase.to_better
        self._phase = phase
        self._images = (training, validation)
        self._progress = progress
        self._description = description
        self._checkpoint = checkpoint
        self._best_weights: Sequence[Any] | None = None
        self._began_s = 0.0
        self._written_s = time.monotonic()

    def go_on(self, model: Any, begun: Checkpoint) -> None:
        """Bring ``model``, compiled, and this listener to where they were after the last epoch written."""
        self.epochs = list(begun.reached.epochs)
        self.ended = begun.reached.ended
        self._best, self._best_weights = begun.reached.best, begun.best_weights
        if not self.ended:
            model.optimizer.build(model.trainable_variables)
            for variable, value in zip(model.variables, begun.variables, strict=True):
                variable.assign(value)
            for variable, value in zip(model.optimizer.variables, begun.optimizer, strict=True):
                variable.assign(value)
            self._progress.say(f"{self._description}: goes on after epoch {len(self.epochs)}")

    def on_train_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        if self._best_weights is None:
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
        patience = self._phase.patience_epochs
        if patience is None or self._best is None or metrics.validation_loss < self._best.validation_loss:
            self._best, self._best_weights = metrics, self.model.get_weights()
        elif metrics.epoch - self._last_better_epoch() >= patience:
            self.model.stop_training = True
        self.ended = self.model.stop_training or metrics.epoch == self._phase.epochs
        if self.ended or time.monotonic() - self._written_s >= CHECKPOINT_INTERVAL_S:
            self._write()
            self._written_s = time.monotonic()

    def on_train_end(self, _logs: Mapping[str, float] | None = None) -> None:
        total = self._phase.epochs * sum(self._images)
        self._progress.step(self._description, total, total)
        if len(self.epochs) < self._phase.epochs:
            self._progress.say(
                f"{self._description}: ended after {len(self.epochs)} of {self._phase.epochs} epochs, "
                f"{self._phase.patience_epochs} without a lower validation loss"
            )

    def restore_kept(self, model: Any) -> EpochMetrics:
        """Give the model the weights of the epoch that is kept, and return it."""
        if self._best is None:
            raise RunFailed(f"the {self._phase.name} phase finished no epoch")
        model.set_weights(self._best_weights)
        return self._best

    def _write(self) -> None:
        if self._checkpoint is None or self._best is None or self._best_weights is None:
            return
        reached = Reached(epochs=tuple(self.epochs), best=self._best, ended=self.ended)
        rest = () if self.ended else (_values(self.model.variables), _values(self.model.optimizer.variables))
        write_checkpoint(self._checkpoint, Checkpoint(reached, tuple(self._best_weights), *rest))

    def _last_better_epoch(self) -> int:
        return self._best.epoch if self._best in self.epochs else 0

    def _tell(self, images_of_epoch: int) -> None:
        per_epoch = sum(self._images)
        done = len(self.epochs) * per_epoch + images_of_epoch
        self._progress.step(self._description, done, self._phase.epochs * per_epoch)


def _values(variables: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(keras.ops.convert_to_numpy(variable) for variable in variables)


def _finite(loss: float, phase: Phase) -> float:
    if not math.isfinite(loss):
        raise RunFailed(f"the validation loss of the {phase.name} phase became {loss}", "Lower the learning rate")
    return loss
