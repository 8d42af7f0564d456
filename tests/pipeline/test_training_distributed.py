"""Several GPUs share every batch; a cluster of machines is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import draw_dataset, tiny_spec

from foodbench.errors import MachineError
from foodbench.progress import Silent
from foodbench.store import Store
from foodbench.training import train

pytestmark = pytest.mark.tensorflow

LONGEST_S = 900

PROGRAM = Path(__file__).parents[1] / "mirrored_training.py"


def mirrored(what: str, *arguments: object) -> Any:
    """Return what ``mirrored_training`` reached in a process of its own."""
    command = [sys.executable, str(PROGRAM), what, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def phases(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same phase, without and with two replicas."""
    return mirrored("phase", tmp_path_factory.mktemp("phase"))


def far(first: Any, second: Any) -> float:
    """Return the largest difference between two models' weights."""
    pairs = zip(first["weights"], second["weights"], strict=True)
    return max(float(np.abs(np.subtract(one, other)).max()) for one, other in pairs)


def validation_losses(reached: Any) -> list[float]:
    return [epoch["validation_loss"] for epoch in reached["epochs"]]


@pytest.mark.parametrize(("one", "two"), [("one", "two"), ("augmented-one", "augmented-two")])
def test_two_replicas_train_what_one_does_also_where_they_cannot_share_evenly(phases: Any, one: str, two: str) -> None:
    assert far(phases[one], phases[two]) < 1e-5
    assert validation_losses(phases[two]) == pytest.approx(validation_losses(phases[one]), abs=1e-5)
    accuracies = [[epoch["validation_accuracy"] for epoch in phases[name]["epochs"]] for name in (one, two)]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=1e-6)


def test_a_phase_of_two_replicas_goes_on_from_its_checkpoint(phases: Any) -> None:
    assert phases["begun"] == {"epochs": 2}
    assert far(phases["two"], phases["resumed"]) < 1e-6
    assert validation_losses(phases["resumed"]) == pytest.approx(validation_losses(phases["two"]), abs=1e-6)


def test_two_replicas_train_batch_norm_and_dropout(phases: Any) -> None:
    first, second = phases["normalised"]["epochs"]
    assert second["training_loss"] < first["training_loss"]
    # Kernel, bias, gamma, beta, moving mean, moving variance, and the head.
    mean, variance = phases["normalised"]["weights"][4:6]
    assert np.all(np.array(mean) >= 0)
    assert max(mean) > 0
    assert np.isfinite(variance).all()


def test_two_replicas_train_both_phases_of_a_model(tmp_path: Path, base_weights: Path) -> None:
    from foodbench.keras_door import keras

    reached = mirrored("stage", tmp_path, base_weights)
    model = reached["model"]
    assert model["replicas_in_training"] == 2
    assert [epoch["phase"] for epoch in model["epochs"]] == ["head", "fine-tuning"]
    assert "tiny: 2 GPUs share every batch" in reached["lines"]
    loaded = keras.models.load_model(tmp_path / "_models" / model["digest"] / model["keras_file"])
    assert loaded.count_params() == model["model_parameters"]
    assert all(np.isfinite(weights).all() for weights in loaded.get_weights())


def cluster(*workers: str) -> str:
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": 0}})


def test_a_cluster_of_several_machines_is_refused_before_anything_is_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = draw_dataset(store)
    monkeypatch.setenv("TF_CONFIG", cluster("127.0.0.1:23510", "127.0.0.1:23511"))
    with pytest.raises(MachineError, match=r"TF_CONFIG names 2 machines, and Keras .* Unset TF_CONFIG to train"):
        train(tiny_spec(), dataset, store, weights_directory=None, progress=Silent())
    assert not (store.root / "_models").exists()


@pytest.mark.parametrize(
    "text", ["", "{}", cluster("127.0.0.1:23510"), '{"cluster": {"worker": ["a:1"], "evaluator": ["b:1"]}}']
)
def test_one_machine_trains_as_without_a_cluster(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    from foodbench.training.distribution import choose_strategy

    monkeypatch.setenv("TF_CONFIG", text)
    assert choose_strategy().num_replicas_in_sync == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"cluster": ["a:1"]}', '{"cluster": {"worker": 2}}'])
def test_a_cluster_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    from foodbench.training.distribution import choose_strategy

    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(MachineError, match=r"TF_CONFIG cannot be read: .* Unset it"):
        choose_strategy()
