"""One phase of training: epochs, early stopping, the best weights kept, and where it was killed, the rest of it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foodbench.errors import RunFailed
from foodbench.keras_door import keras
from foodbench.progress import Progress
from foodbench.records.models import EpochMetrics
from foodbench.training.augmentation import Augmenter
from foodbench.training.batches import Examples, in_order, shuffled_for_ever
from foodbench.training.checkpoints import read_checkpoint
from foodbench.training.course import Course, Phase
from foodbench.training.distribution import as_on_the_first_machine, measured, naming_a_lost_machine, on_replicas

__all__ = ["PhaseResult", "run_phase"]


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
        MachineError: The disk is full, or another machine is lost.
        StoreError: The checkpoint is damaged.
    """
    strategy = model.distribute_strategy
    replicas = strategy.num_replicas_in_sync
    steps = math.ceil(len(draws[0]) / phase.batch_size)
    course = Course(phase, len(draws[0]), len(validation), progress, description, checkpoint)
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


def _follow(course: Course, model: Any, training: Any, validation: Any) -> None:
    """Train epoch after epoch, to the end of the phase.

    Keras' own ``fit`` cannot: on several machines it reduces a batch and the metrics wrongly
    (https://github.com/keras-team/keras/issues/20585). Its steps are these.
    """
    strategy, size = model.distribute_strategy, course.phase.batch_size
    batches = iter(strategy.experimental_distribute_dataset(training))
    # Of an endless pipeline every replica gets a batch in every step: none has to ask the others first.
    validated = iter(strategy.experimental_distribute_dataset(validation.repeat()))
    train, validate = on_replicas(model, model.train_step), on_replicas(model, model.test_step)
    while not course.ended:
        began_s = time.monotonic()
        model.reset_metrics()
        for start in range(0, course.training_images, size):
            course.refuse_divergence(train(batches))
            course.tell(min(start + size, course.training_images))
        trained = measured(model)
        model.reset_metrics()
        for start in range(0, course.validation_images, size):
            validate(validated)
            course.tell(course.training_images + min(start + size, course.validation_images))
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
