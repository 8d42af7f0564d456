"""A training that is killed goes on from its last epoch, and ends as if it had not been."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import Heard, draw_dataset, tiny_recipe, tiny_spec

from foodbench.errors import InputError, MachineError
from foodbench.records.experiments import Augmentation, FineTuning, HeadTraining, ModelSpec
from foodbench.records.models import ModelArtifact
from foodbench.store import Store
from foodbench.training import train

pytestmark = pytest.mark.tensorflow

KILLED = """
import os, signal, sys
from pathlib import Path
from tiny_training import draw_dataset
from foodbench.records.experiments import ModelSpec
from foodbench.store import Store
from foodbench.training import course, train

root, spec, images = sys.argv[1:]
course.CHECKPOINT_INTERVAL_S = 0

class Killer:
    def say(self, line):
        pass

    def step(self, description, done, total):
        if description.endswith("fine-tuning") and done > int(images):
            os.kill(os.getpid(), signal.SIGKILL)

store = Store(Path(root))
spec = ModelSpec.model_validate_json(spec)
train(spec, draw_dataset(store), store, weights_directory=None, progress=Killer())
"""

IMAGES_PER_EPOCH = 44 + 22


def spec_with_all_that_is_random(weights: Path) -> ModelSpec:
    recipe = tiny_recipe(
        augmentation=Augmentation(),
        augmentation_draws=2,
        dropout=0.3,
        label_smoothing=0.1,
        weight_decay=1e-3,
        head=HeadTraining(epochs=2, learning_rate_schedule="cosine"),
        fine_tuning=FineTuning(epochs=4, learning_rate=1e-3, learning_rate_schedule="cosine", unfrozen_layers=12),
    )
    return tiny_spec(recipe=recipe, weights=str(weights))


def trained(store: Store, spec: ModelSpec, progress: Heard) -> tuple[ModelArtifact, list[Any]]:
    from foodbench.keras_door import keras

    artifact = train(spec, draw_dataset(store), store, weights_directory=None, progress=progress)
    model = keras.models.load_model(store.model_directory(artifact.digest) / artifact.keras_file)
    return artifact, model.get_weights()


def test_a_killed_training_ends_with_the_numbers_of_one_that_was_not(tmp_path: Path, base_weights: Path) -> None:
    spec = spec_with_all_that_is_random(base_weights)
    whole, expected = trained(Store(tmp_path / "whole"), spec, Heard())

    root = tmp_path / "killed"
    arguments = [sys.executable, "-c", KILLED, str(root), spec.model_dump_json(), str(2 * IMAGES_PER_EPOCH)]
    killed = subprocess.run(arguments, cwd=Path(__file__).parents[1], capture_output=True, timeout=240, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    [unfinished] = (root / "_models").iterdir()
    assert unfinished.name.endswith(".unfinished")

    progress = Heard()
    resumed, weights = trained(Store(root), spec, progress)
    assert "Training tiny, fine-tuning: goes on after epoch 2" in progress.lines
    assert not any(description.startswith("Frozen layers") for description, _, _ in progress.steps)
    timeless = [[epoch.model_copy(update={"duration_s": 0}) for epoch in each.epochs] for each in (whole, resumed)]
    assert timeless[0] == timeless[1]
    assert whole.evaluation == resumed.evaluation
    assert all(map(np.array_equal, expected, weights))
    assert not unfinished.exists()


def test_what_fails_after_the_last_epoch_costs_no_epoch(
    tmp_path: Path, base_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from foodbench.keras_door import keras

    spec = tiny_spec(recipe=tiny_recipe(head=HeadTraining(epochs=3)), weights=str(base_weights))
    store = Store(tmp_path)
    dataset = draw_dataset(store)
    photograph = dataset.files["evaluation"][0].path
    content = photograph.read_bytes()
    photograph.write_bytes(b"no longer an image")
    first = Heard()
    with pytest.raises(InputError, match="has changed since it was verified"):
        train(spec, dataset, store, weights_directory=None, progress=first)
    assert [step for step in first.steps if step[0].startswith("Training tiny") and 0 < step[1] < step[2]]

    photograph.write_bytes(content)

    def no_space(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full_disk:
        full_disk.setattr(keras.Model, "save", no_space)
        with pytest.raises(MachineError, match="cannot write the trained model: No space left on device"):
            train(spec, dataset, store, weights_directory=None, progress=Heard())
    assert [path.suffix for path in (store.root / "_models").iterdir()] == [".unfinished"]

    progress = Heard()
    artifact = train(spec, dataset, store, weights_directory=None, progress=progress)
    assert len(artifact.epochs) == 3
    assert not [step for step in progress.steps if step[0].startswith("Training tiny") and 0 < step[1] < step[2]]
