"""Which tf.distribute strategy a model is trained under. A model keeps the one that it was built under."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from typing import Any

from foodbench.errors import MachineError
from foodbench.keras_door import keras, tf

__all__ = ["choose_strategy"]

TRAINING_TASKS = ("chief", "master", "worker", "ps")
"""Of a TF_CONFIG's cluster; an evaluator takes no part."""


def choose_strategy() -> Any:
    """Return what to build a model under: its ``scope()`` is to be entered.

    Several GPUs of this machine share every batch (MirroredStrategy). One, or none, is TensorFlow's default.

    Raises:
        MachineError: TF_CONFIG names several machines, or cannot be read.
    """
    _refuse_several_tasks(os.environ)
    devices = accelerators()
    return _mirrored(tuple(devices)) if len(devices) > 1 else tf.distribute.get_strategy()


def accelerators() -> list[str]:
    """Return the names of the GPUs that TensorFlow sees."""
    return [device.name for device in tf.config.list_logical_devices("GPU")]


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    # A second one in a process would count its reductions from the start again, and mix them up with the first's.
    return tf.distribute.MirroredStrategy(devices)


def _refuse_several_tasks(environment: Mapping[str, str]) -> None:
    """Refuse a cluster: under MultiWorkerMirroredStrategy Keras 3's fit reduces the batch and the metrics wrongly.

    It fails in TFTrainer._maybe_symbolic_build, and behind that in reduce_per_replica, which takes the mean of
    scalars over axis 0 (https://github.com/keras-team/keras/issues/20585).
    """
    text = environment.get("TF_CONFIG", "").strip()
    try:
        cluster = (json.loads(text) if text else {}).get("cluster") or {}
        tasks = sum(len(cluster.get(kind, ())) for kind in TRAINING_TASKS)
    except (ValueError, AttributeError, TypeError) as error:
        raise MachineError(
            f"the environment variable TF_CONFIG cannot be read: {error}", "Unset it to train on this machine alone"
        ) from error
    if tasks > 1:
        raise MachineError(
            f"the environment variable TF_CONFIG names {tasks} machines, and Keras {keras.__version__} cannot train "
            "on several (its fit fails under tf.distribute.MultiWorkerMirroredStrategy)",
            "Unset TF_CONFIG to train on this machine alone: all of its GPUs are used",
        )
