"""Trains under two replicas, and without, in a process of its own: TensorFlow's devices are fixed once it has begun.

    python -P tests/distributed_training.py phase|stage|machine|different|lost FOLDER [BASE_WEIGHTS]

Two logical CPU devices stand for two GPUs; where TF_CONFIG names machines, this process is one of them. What was
reached is printed as JSON, in one line.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tiny_training import Heard, draw_dataset, tiny_recipe, tiny_spec

from foodbench.errors import FoodbenchError
from foodbench.keras_door import keras, tf
from foodbench.progress import Silent
from foodbench.records.experiments import Augmentation, FineTuning
from foodbench.store import Store
from foodbench.training import course, distribution, train
from foodbench.training.augmentation import build_augmenter
from foodbench.training.batches import as_it_is
from foodbench.training.checkpoints import read_checkpoint
from foodbench.training.course import Phase
from foodbench.training.phases import run_phase

TWO = ["CPU:0", "CPU:1"]


def images(each: int, seed: int) -> Any:
    """Return grey images of three brightnesses."""
    labels = np.repeat(np.arange(3), each)
    noise = np.random.default_rng(seed).normal(0, 0.3, (3 * each, 8, 8, 3))
    return as_it_is((labels[:, None, None, None] - 1 + noise).astype(np.float32), labels)


def small_model(strategy: Any, *, normalised: bool = False) -> Any:
    """Build a convolution and a softmax head under ``strategy``, with BatchNorm and dropout where it is normalised."""
    keras.utils.set_random_seed(3)
    with strategy.scope():
        between = [keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dropout(0.2)] if normalised else []
        return keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                keras.layers.Conv2D(4, 3, activation="relu"),
                *between,
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )


class Interrupted(Exception):
    """Stands for the end of the process."""


class InterruptsAfter(Silent):
    """Ends the work in the first batch after so many examples."""

    def __init__(self, examples: int) -> None:
        self._examples = examples

    def step(self, description: str, done: float, total: float) -> None:
        super().step(description, done, total)
        if done > self._examples:
            raise Interrupted


def run(
    strategy: Any,
    *,
    checkpoint: Path | None = None,
    progress: Any = None,
    augment: Any = None,
    examples: int = 31,
    normalised: bool = False,
    **replaced: Any,
) -> dict[str, Any]:
    """Train a phase: 31 examples in batches of 5 and a last one of 1, judged on 9."""
    training, validation = images(11, 1), images(3, 2)
    training = as_it_is(training.values[:examples], training.labels[:examples])
    values = {"epochs": 4, "learning_rate": 0.05, "batch_size": 5, "patience_epochs": 9, "seed": (1, 0)}
    phase = Phase(name="head", **{**values, **replaced})
    model = small_model(strategy, normalised=normalised)
    result = run_phase(
        model,
        phase,
        [training],
        validation,
        augment=augment,
        progress=progress or Silent(),
        description="Training",
        checkpoint=checkpoint,
    )
    epochs = [epoch.model_dump(exclude={"duration_s"}) for epoch in result.epochs]
    return {"epochs": epochs, "weights": [weights.tolist() for weights in model.get_weights()]}


def phase(folder: Path) -> dict[str, Any]:
    """Train a phase without and with two replicas, interrupted and gone on with, and augmented."""
    course.CHECKPOINT_INTERVAL_S = 0
    one, two = tf.distribute.get_strategy(), distribution.choose_strategy()
    reached = {"one": run(one), "two": run(two)}
    checkpoint = folder / "head.npz"
    with contextlib.suppress(Interrupted):
        run(two, checkpoint=checkpoint, progress=InterruptsAfter(2 * (31 + 9)))
    begun = read_checkpoint(checkpoint)
    reached["begun"] = {"epochs": 0 if begun is None else len(begun.reached.epochs)}
    reached["resumed"] = run(two, checkpoint=checkpoint)
    # Another model, its strategy chosen anew, as for each model of an experiment.
    reached["normalised"] = run(distribution.choose_strategy(), normalised=True, epochs=2)
    # An augmented batch is the same only where no example had to be repeated.
    for name, strategy in (("augmented-one", one), ("augmented-two", two)):
        augment = build_augmenter(Augmentation(), 5)
        reached[name] = run(strategy, augment=augment, batch_size=31 - 1, examples=31 - 1, epochs=2)
    return reached


def machine(folder: Path) -> dict[str, Any]:
    """Train phases together with another process: whole, and gone on with where this one has lost its checkpoint."""
    course.CHECKPOINT_INTERVAL_S = 0
    strategy = distribution.choose_strategy()
    reached: dict[str, Any] = {"two": run(strategy), "normalised": run(strategy, normalised=True, epochs=2)}
    checkpoint = folder / "head.npz"
    with contextlib.suppress(Interrupted):
        run(strategy, checkpoint=checkpoint, progress=InterruptsAfter(2 * (31 + 9)))
    if task() == 1:
        checkpoint.unlink()
    progress = Heard()
    reached["resumed"] = run(strategy, checkpoint=checkpoint, progress=progress)
    reached["lines"] = progress.lines
    augment = build_augmenter(Augmentation(), 5)
    reached["augmented"] = run(strategy, augment=augment, batch_size=31 - 1, examples=31 - 1, epochs=2)
    return reached


def different(_folder: Path) -> dict[str, Any]:
    """Begin another model than the other machine does."""
    strategy = distribution.choose_strategy()
    distribution.refuse_different_work(strategy, "ab" * 32)
    try:
        distribution.refuse_different_work(strategy, f"{task():02x}" * 32)
    except FoodbenchError as error:
        return {"error": [error.exit_code, str(error)]}
    return {}


class EndsTheSecond(InterruptsAfter):
    """Ends the process of the second machine at once, as if it had lost its power."""

    def step(self, description: str, done: float, total: float) -> None:
        try:
            super().step(description, done, total)
        except Interrupted:
            if task() == 1:
                os._exit(0)


def lost(folder: Path) -> dict[str, Any]:
    """Train until the other machine is gone."""
    course.CHECKPOINT_INTERVAL_S = 0
    strategy = distribution.choose_strategy()
    try:
        run(strategy, checkpoint=folder / "head.npz", progress=EndsTheSecond(2 * (31 + 9)))
    except FoodbenchError as error:
        return {"error": [error.exit_code, str(error)], "kept": [path.name for path in folder.iterdir()]}
    return {}


def task() -> int:
    """Return which of the machines this is."""
    return int(json.loads(os.environ["TF_CONFIG"])["task"]["index"])


def stage(folder: Path, base_weights: str) -> dict[str, Any]:
    """Train a head and then the last layers of the base under two replicas, by two GPUs or two machines."""
    store = Store(folder)
    tuning = FineTuning(epochs=1, learning_rate=1e-3)
    recipe = tiny_recipe(augmentation=Augmentation(), fine_tuning=tuning, batch_size=15)
    progress = Heard()
    spec = tiny_spec(weights=base_weights, recipe=recipe)
    artifact = train(spec, draw_dataset(store), store, weights_directory=None, progress=progress)
    return {"model": artifact.model_dump(mode="json"), "lines": progress.lines}


def main() -> None:
    """Run what the command line names."""
    what, folder, *rest = sys.argv[1:]
    if "TF_CONFIG" not in os.environ:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        distribution.accelerators = lambda: TWO
    works: dict[str, Any] = {"phase": phase, "stage": stage, "machine": machine, "different": different, "lost": lost}
    sys.stdout.write(json.dumps(works[what](Path(folder), *rest)) + "\n")


if __name__ == "__main__":
    main()
