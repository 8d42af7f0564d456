"""One phase of training: epochs, early stopping, the best weights kept, and where it was killed, the rest of it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from foodbench.errors import RunFailed
from foodbench.keras_door import keras
from foodbench.progress import Progress
from foodbench.records.experiments import LearningRateSchedule
from foodbench.records.models import EpochMetrics
from foodbench.training.augmentation import Augmenter
from foodbench.training.batches import Examples, in_order, shuffled_for_ever
from foodbench.training.checkpoints import Checkpoint, Reached, read_checkpoint, write_checkpoint
from foodbench.training.distribution import as_on_the_first_machine, measured, naming_a_lost_machine, on_replicas

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
    strategy = model.distribute_strategy
    replicas = strategy.num_replicas_in_sync
    steps = math.ceil(len(draws[0]) / phase.batch_size)
    course = _Course(phase, len(draws[0]), len(validation), progress, description, checkpoint)
    with naming_a_lost_machine(strategy):
        with strategy.scope():
            metrics = {"metrics" if replicas == 1 else "weighted_metrics": ["accuracy"]}
            model.compile(optimizer=_optimizer(phase, steps), loss=_loss(phase.label_smoothing), **metrics)
            _build_what_counts(model)
            begun = None if checkpoint is None else read_checkpoint(checkpoint)
            course.begin(model, as_on_the_first_machine(strategy, begun))
        if not course.ended:
            done = len(course.epochs)
            batches = shuffled_for_ever(
                draws, phase.batch_size, phase.seed, augment=augment, epochs_done=done, replicas=replicas
            )
            _follow(course, model, batches, in_order(validation, phase.batch_size, replicas=replicas))
        kept = as_on_the_first_machine(strategy, course.kept())
    if kept is None:
        raise RunFailed(f"the {phase.name} phase finished no epoch")
    model.set_weights(kept.best_weights)
    return PhaseResult(kept.reached.epochs, kept.reached.best)


def _follow(course: _Course, model: Any, training: Any, validation: Any) -> None:
    """Train epoch after epoch, to the end of the phase.

    Keras' own ``fit`` cannot: on several machines it reduces a batch and the metrics wrongly
    (https://github.com/keras-team/keras/issues/20585). Its steps are these.
    """
    strategy, size = model.distribute_strategy, course.phase.batch_size
    batches, validated = (
        # Of an endless one every replica gets a batch in every step: none has to ask the others first.
        iter(strategy.experimental_distribute_dataset(pipeline.repeat()))
        for pipeline in (training, validation)
    )
    train, validate = on_replicas(model, model.train_step), on_replicas(model, model.test_step)
    while not course.ended:
        began_s = time.monotonic()
        model.reset_metrics()
        for start in range(0, course.training, size):
            course.refuse_divergence(train(batches))
            course.tell(min(start + size, course.training))
        trained = measured(model)
        model.reset_metrics()
        for start in range(0, course.validation, size):
            validate(validated)
            course.tell(course.training + min(start + size, course.validation))
        course.add(model, trained, measured(model), time.monotonic() - began_s)


def _build_what_counts(model: Any) -> None:
    """Let the optimizer and the metrics make their variables: TensorFlow cannot on every replica, once these run."""
    model.optimizer.build(model.trainable_variables)
    classes = model.output_shape[-1]
    model.compute_metrics(None, np.zeros(1, np.int64), np.full((1, classes), 1 / classes, np.float32), np.ones(1))


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


class _Course:
    """Follows one phase: records epochs, keeps the best weights, says when it ends, tells how far it is."""

    def __init__(
        self,
        phase: Phase,
        training: int,
        validation: int,
        progress: Progress,
        description: str,
        checkpoint: Path | None,
    ) -> None:
        self.phase = phase
        self.training = training
        """Number of images."""
        self.validation = validation
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
        per_epoch = self.training + self.validation
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
        total = self.phase.epochs * (self.training + self.validation)
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
