"""Several GPUs, and several machines, share every batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foodbench.errors import MachineError

pytestmark = pytest.mark.tensorflow

LONGEST_S = 900

PROGRAM = Path(__file__).parents[1] / "distributed_training.py"


def begin(what: str, *arguments: object, **variables: str) -> subprocess.Popen[str]:
    """Begin ``distributed_training`` in a process of its own."""
    command = [sys.executable, str(PROGRAM), what, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | variables
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def reached_by(*processes: subprocess.Popen[str]) -> list[Any]:
    """Return what each of them printed; None where it was lost."""
    try:
        ended = [(process.communicate(timeout=LONGEST_S), process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(code == 0 for _, code in ended), ended
    return [json.loads(output.splitlines()[-1]) if output else None for (output, _), _ in ended]


def mirrored(what: str, *arguments: object) -> Any:
    """Return what it reached with two GPUs."""
    return reached_by(begin(what, *arguments))[0]


def on_two_machines(what: str, folder: Path, *arguments: object) -> list[Any]:
    """Return what each of two machines reached, with a folder of its own."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        workers = [f"127.0.0.1:{server.getsockname()[1]}" for server in (first, second)]
    processes = []
    for index in range(len(workers)):
        own = folder / str(index)
        own.mkdir()
        processes.append(begin(what, own, *arguments, TF_CONFIG=cluster(*workers, index=index)))
    return reached_by(*processes)


def cluster(*workers: str, index: int = 0) -> str:
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})


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


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What both of two machines reached, which train phases together."""
    return on_two_machines("machine", tmp_path_factory.mktemp("machine"))


@pytest.mark.parametrize(("one", "two"), [("one", "two"), ("augmented-one", "augmented")])
def test_two_machines_train_what_one_does(phases: Any, machines: Any, one: str, two: str) -> None:
    for reached in machines:
        assert far(phases[one], reached[two]) < 1e-5
        assert validation_losses(reached[two]) == pytest.approx(validation_losses(phases[one]), abs=1e-5)


@pytest.mark.parametrize("what", ["two", "normalised", "augmented", "resumed"])
def test_machines_end_with_the_same_model_and_epochs(machines: Any, what: str) -> None:
    first, second = (reached[what] for reached in machines)
    assert first == second


def test_all_machines_go_on_from_the_checkpoint_of_the_first(machines: Any) -> None:
    for reached in machines:
        assert reached["lines"][0] == "Training: goes on after epoch 2"
        assert far(reached["two"], reached["resumed"]) < 1e-6


def test_two_machines_train_both_phases_of_a_model(tmp_path: Path, base_weights: Path) -> None:
    from foodbench.keras_door import keras

    reached = on_two_machines("stage", tmp_path, base_weights)
    models = []
    for index, each in enumerate(reached):
        model = each["model"]
        assert model["replicas_in_training"] == 2
        assert [epoch["phase"] for epoch in model["epochs"]] == ["head", "fine-tuning"]
        assert "tiny: 2 machines, 2 replicas in all, share every batch" in each["lines"]
        path = tmp_path / str(index) / "_models" / model["digest"] / model["keras_file"]
        models.append(keras.models.load_model(path).get_weights())
    assert reached[0]["model"]["digest"] == reached[1]["model"]["digest"]
    assert reached[0]["model"]["evaluation"] == reached[1]["model"]["evaluation"]
    assert all(map(np.array_equal, *models))


def test_machines_that_would_train_different_models_are_refused(tmp_path: Path) -> None:
    for reached in on_two_machines("different", tmp_path):
        code, message = reached["error"]
        assert code == 2
        assert "do not train the same model of the same data. Give each the same command" in message


def test_a_machine_that_is_lost_is_named_and_costs_no_epoch(tmp_path: Path) -> None:
    left, gone = on_two_machines("lost", tmp_path)
    assert gone is None
    code, message = left["error"]
    assert code == 3
    assert "another machine of the environment variable TF_CONFIG cannot be reached any more" in message
    assert left["kept"] == ["head.npz"]


@pytest.mark.parametrize(
    "text", ["", "{}", cluster("127.0.0.1:23510"), '{"cluster": {"worker": ["a:1"], "evaluator": ["b:1"]}}']
)
def test_one_machine_trains_as_without_a_cluster(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    from foodbench.training.distribution import choose_strategy

    monkeypatch.setenv("TF_CONFIG", text)
    assert choose_strategy().num_replicas_in_sync == 1


NO_TASK = '{"cluster": {"worker": ["a:1", "b:1"]}}'
NO_NUMBER = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": "0"}}'
SERVED = '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}'
ABSENT = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "evaluator", "index": 0}}'


@pytest.mark.parametrize("text", ["{", "[]", '{"cluster": ["a:1"]}', '{"cluster": {"worker": 2}}', NO_TASK, NO_NUMBER])
def test_a_cluster_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    from foodbench.training.distribution import choose_strategy

    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(MachineError, match=r"TF_CONFIG cannot be read: .* Unset it"):
        choose_strategy()


@pytest.mark.parametrize("text", [SERVED, ABSENT])
def test_a_cluster_in_which_this_machine_does_not_train_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    from foodbench.training.distribution import choose_strategy

    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(MachineError, match=r"makes this machine .* Only a chief and workers train. Unset it"):
        choose_strategy()
