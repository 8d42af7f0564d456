"""Training on several devices and machines: which tf.distribute strategy, its steps, and what machines have to agree on.

A model keeps the strategy that it was built under.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.errors import InputError, MachineError
from foodbench.keras_door import tf
from foodbench.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint

__all__ = [
    "as_on_the_first_machine",
    "choose_strategy",
    "machines_that_train",
    "measured",
    "naming_a_lost_machine",
    "on_replicas",
    "refuse_different_work",
]

TRAINING_TASKS = ("chief", "worker")
"""Of a TF_CONFIG's cluster. An evaluator takes no part."""

UNKNOWN_TASKS = ("master", "ps")

LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)
"""What a collective operation raises where one of the machines is gone, as gRPC and TensorFlow call it."""

LENGTH = struct.Struct("<q")


def choose_strategy() -> Any:
    """Return what to build a model under: its ``scope()`` is to be entered.

    The machines that TF_CONFIG names share every batch (MultiWorkerMirroredStrategy); this waits for all of them, and
    has to come before anything that TensorFlow computes. Otherwise the GPUs of this machine do (MirroredStrategy).
    One, or none, is TensorFlow's default.

    Raises:
        MachineError: TF_CONFIG cannot be read or used.
    """
    if machines_that_train() > 1:
        return _several_machines()
    devices = accelerators()
    return _mirrored(tuple(devices)) if len(devices) > 1 else tf.distribute.get_strategy()


def machines_that_train() -> int:
    """Return how many machines share the training, as the environment variable TF_CONFIG says: 1 without it.

    Raises:
        MachineError: TF_CONFIG cannot be read, or gives this machine no part in training.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    try:
        config = json.loads(text) if text else {}
        cluster = config.get("cluster") or {}
        machines = {kind: len(cluster.get(kind, ())) for kind in (*TRAINING_TASKS, *UNKNOWN_TASKS)}
        if sum(machines.values()) <= 1:
            return 1
        kind, index = config["task"]["type"], config["task"]["index"]
        known = kind in TRAINING_TASKS and 0 <= index < machines[kind]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise MachineError(
            f"the environment variable TF_CONFIG cannot be read: {type(error).__name__} {error}",
            'It is {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}. '
            "Unset it to train on this machine alone",
        ) from error
    if not known or any(machines[other] for other in UNKNOWN_TASKS):
        raise MachineError(
            f"the environment variable TF_CONFIG makes this machine {kind} {index} of {machines}",
            "Only a chief and workers train. Unset it to train on this machine alone",
        )
    return sum(machines.values())


def accelerators() -> list[str]:
    """Return the names of the GPUs that TensorFlow sees."""
    return [device.name for device in tf.config.list_logical_devices("GPU")]


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    # A second one in a process would count its reductions from the start again, and mix them up with the first's.
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _several_machines() -> Any:
    # TensorFlow can join a cluster once in a process.
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise MachineError(
            f"the machines of the environment variable TF_CONFIG did not come together: {error}",
            "Give the same command on each of them, with its own task in TF_CONFIG",
        ) from error


def on_replicas(model: Any, step: Any) -> Callable[[Any], list[float]]:
    """Return what takes the next batch of an iterator and lets the replicas do ``step`` (``model.train_step``, say).

    It returns the losses of this machine's replicas: means since the model's metrics were last reset.
    """
    strategy = model.distribute_strategy

    def losses(batches: Any) -> Any:
        return strategy.experimental_local_results(strategy.run(step, args=(next(batches),))["loss"])

    compiled = tf.function(losses, jit_compile=model.jit_compile, autograph=False)
    return lambda batches: [float(loss) for loss in compiled(batches)]


def measured(model: Any) -> tuple[float, float]:
    """Return loss and accuracy over all replicas since the model's metrics were last reset."""
    metrics = model.get_metrics_result()
    return float(metrics["loss"]), float(metrics["accuracy"])


def as_on_the_first_machine(strategy: Any, checkpoint: Checkpoint | None) -> Checkpoint | None:
    """Return ``checkpoint`` as the first of the machines has it: all of them go on from the same state.

    Each keeps one, and they may have been written after different epochs.
    """
    if not _on_several_machines(strategy):
        return checkpoint
    file = io.BytesIO()
    if checkpoint is not None:
        save_checkpoint(file, checkpoint)
    content = _from_the_first_machine(strategy, file.getvalue())
    return load_checkpoint(io.BytesIO(content)) if content else None


def refuse_different_work(strategy: Any, digest: str) -> None:
    """Raise where the machines do not all train the same: they would mix the gradients of different models.

    Args:
        strategy: That they share.
        digest: Of what this machine trains, in hexadecimal digits.

    Raises:
        InputError: They do not.
        MachineError: One of them cannot be reached.
    """
    if _on_several_machines(strategy):
        mine = np.frombuffer(bytes.fromhex(digest), np.int32)
        with naming_a_lost_machine(strategy):
            every = _gathered(strategy, mine).reshape(-1, len(mine))
        if (every != mine).any():
            raise InputError(
                "the machines of the environment variable TF_CONFIG do not train the same model of the same data",
                "Give each the same command, experiment file, data, weights and foodbench, and results in which the "
                "same models are trained already, such as none",
            )


@contextlib.contextmanager
def naming_a_lost_machine(strategy: Any) -> Iterator[None]:
    """Raise MachineError where another machine has ended while this one needs it."""
    try:
        yield
    except LOST as error:
        if not _on_several_machines(strategy):
            raise
        raise MachineError(
            f"another machine of the environment variable TF_CONFIG cannot be reached any more ({type(error).__name__})",
            "Look at what it says. Give the same command on all of them again: they go on from the last epoch",
        ) from error


def _on_several_machines(strategy: Any) -> bool:
    several: bool = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several


def _from_the_first_machine(strategy: Any, content: bytes) -> bytes:
    """Return the first machine's ``content`` on all of them."""
    sent = LENGTH.pack(len(content)) + content if _is_first(strategy.cluster_resolver) else b""
    padded = sent.ljust(len(sent) + -len(sent) % 4, b"\0")
    received = _gathered(strategy, np.frombuffer(padded, np.int32)).tobytes()
    (length,) = LENGTH.unpack_from(received)
    return received[LENGTH.size : LENGTH.size + length]


def _gathered(strategy: Any, values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the values of all machines, one behind the other. TensorFlow gathers no bytes."""
    gathered: npt.NDArray[np.int32] = strategy.gather(tf.constant(values), axis=0).numpy()
    return gathered


def _is_first(resolver: Any) -> bool:
    kinds = resolver.cluster_spec().as_dict()
    return (resolver.task_type, resolver.task_id) == (next(kind for kind in TRAINING_TASKS if kind in kinds), 0)
