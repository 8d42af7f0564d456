"""A phase: epochs, early stopping, the best weights kept. On a softmax regression, which trains at once."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import Heard

from foodbench.errors import MachineError, RunFailed, StoreError
from foodbench.progress import Silent
from foodbench.records.models import EpochMetrics

pytestmark = pytest.mark.tensorflow

CENTRES = np.array([[0, 4], [4, 0], [-4, -4]], np.float32)


def examples(each: int, seed: int, *, labels_turned: bool = False) -> Any:
    """Return points around three centres; with turned labels, what is learnt from the others is wrong here."""
    from foodbench.training.batches import as_it_is

    labels = np.repeat(np.arange(3), each)
    noise = np.random.default_rng(seed).normal(0, 1, (3 * each, 2))
    return as_it_is((CENTRES[labels] + noise).astype(np.float32), (labels + labels_turned) % 3)


def regression() -> Any:
    from foodbench.keras_door import keras

    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])


def phase(**replaced: Any) -> Any:
    from foodbench.training.course import Phase

    values = {
        "name": "head",
        "epochs": 4,
        "learning_rate": 0.05,
        "batch_size": 8,
        "patience_epochs": 2,
        "seed": (1, 0),
    }
    return Phase(**{**values, **replaced})


def run(model: Any, what: Any, validation: Any, progress: Any = None, **options: Any) -> Any:
    from foodbench.training.phases import run_phase

    return run_phase(
        model, what, [examples(10, 1)], validation, progress=progress or Silent(), description="Training", **options
    )


def validation_loss(model: Any, validation: Any) -> float:
    probabilities = model(validation.values).numpy()
    return float(-np.log(probabilities[np.arange(len(validation)), validation.labels]).mean())


REACHED = EpochMetrics(
    phase="head",
    epoch=7,
    training_loss=0.1,
    training_accuracy=1,
    validation_loss=1e-3,
    validation_accuracy=1,
    duration_s=1,
)
"""Better than anything these phases reach."""


def test_a_phase_learns_and_records_every_epoch() -> None:
    result = run(regression(), phase(epochs=12, learning_rate=0.3), examples(5, 2))
    assert [epoch.epoch for epoch in result.epochs] == list(range(1, 1 + len(result.epochs)))
    losses = [epoch.validation_loss for epoch in result.epochs]
    assert min(losses) < losses[0]
    assert result.kept.validation_loss == min(losses)
    assert result.kept.validation_accuracy > 0.8


def test_the_best_weights_are_kept_and_a_phase_that_grows_worse_ends() -> None:
    model, against = regression(), examples(5, 2, labels_turned=True)
    progress = Heard()
    result = run(model, phase(epochs=10), against, progress)
    assert result.kept.epoch == 1
    assert len(result.epochs) == 3
    assert validation_loss(model, against) == pytest.approx(result.kept.validation_loss, rel=1e-4)
    assert any("ended after 3 of 10 epochs" in line for line in progress.lines)


def test_without_early_stopping_every_epoch_is_trained_and_the_last_weights_stay() -> None:
    model, against = regression(), examples(5, 2, labels_turned=True)
    result = run(model, phase(epochs=6, patience_epochs=None, to_better=REACHED), against)
    assert [epoch.epoch for epoch in result.epochs] == [1, 2, 3, 4, 5, 6]
    assert result.kept == result.epochs[-1]
    assert result.kept.validation_loss > result.epochs[0].validation_loss
    assert validation_loss(model, against) == pytest.approx(result.kept.validation_loss, rel=1e-4)


def test_weights_that_no_epoch_betters_stay() -> None:
    model, against = regression(), examples(5, 2, labels_turned=True)
    before = [weights.copy() for weights in model.get_weights()]
    result = run(model, phase(name="fine-tuning", to_better=REACHED), against)
    assert result.kept == REACHED
    assert len(result.epochs) == 2
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_progress_only_grows_and_ends_at_its_total() -> None:
    progress = Heard()
    run(regression(), phase(epochs=2), examples(5, 2), progress)
    done = [step[1] for step in progress.steps]
    assert all(before <= after for before, after in itertools.pairwise(done))
    assert {step[2] for step in progress.steps} == {2 * (30 + 15)}
    assert done[-1] == 2 * (30 + 15)
    assert len(set(done)) > 4


def test_equal_seeds_train_equal_models() -> None:
    first, second, other = (run(regression(), phase(seed=(seed, 0)), examples(5, 2)) for seed in (1, 1, 2))
    assert [epoch.training_loss for epoch in first.epochs] == [epoch.training_loss for epoch in second.epochs]
    assert [epoch.training_loss for epoch in first.epochs] != [epoch.training_loss for epoch in other.epochs]


def test_a_loss_that_is_no_number_ends_the_run_with_the_learning_rate() -> None:
    from foodbench.training.batches import as_it_is
    from foodbench.training.phases import run_phase

    broken = as_it_is(np.full((4, 2), np.nan, np.float32), np.zeros(4, np.int64))
    with pytest.raises(RunFailed, match=r"loss became nan in epoch 1 of the head phase \(learning rate 0.05\)"):
        run_phase(regression(), phase(), [broken], broken, progress=Silent(), description="Training")


class Interrupted(Exception):
    """Stands for the end of the process."""


class InterruptsAfter(Heard):
    """Ends the work in the first batch after so many examples."""

    def __init__(self, examples: int) -> None:
        super().__init__()
        self._examples = examples

    def step(self, description: str, done: float, total: float) -> None:
        super().step(description, done, total)
        if done > self._examples:
            raise Interrupted


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_phase_goes_on_from_its_checkpoint_as_if_it_had_never_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: str
) -> None:
    from foodbench.training import course

    monkeypatch.setattr(course, "CHECKPOINT_INTERVAL_S", 0)
    what = phase(epochs=5, learning_rate_schedule=schedule, weight_decay=1e-2, label_smoothing=0.1)
    whole, resumed, path = regression(), regression(), tmp_path / "head.npz"
    expected = run(whole, what, examples(5, 2))
    with pytest.raises(Interrupted):
        run(resumed, what, examples(5, 2), InterruptsAfter(2 * (30 + 15)), checkpoint=path)
    progress = Heard()
    result = run(regression(), what, examples(5, 2), progress, checkpoint=path)
    assert progress.lines[0] == "Training: goes on after epoch 2"
    assert timeless(result) == timeless(expected)
    again = regression()
    assert timeless(run(again, what, examples(5, 2), InterruptsAfter(0), checkpoint=path)) == timeless(expected)
    assert all(map(np.array_equal, whole.get_weights(), again.get_weights()))


def timeless(result: Any) -> list[EpochMetrics]:
    return [epoch.model_copy(update={"duration_s": 0}) for epoch in (*result.epochs, result.kept)]


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "head.npz"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"head.npz is not a readable checkpoint.*Delete its folder"):
        run(regression(), phase(), examples(5, 2), checkpoint=path)


def test_a_checkpoint_that_would_need_to_be_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    np.savez(path, allow_pickle=True, reached=np.array([{"code": print}], object))
    with pytest.raises(StoreError, match="not a readable checkpoint"):
        run(regression(), phase(), examples(5, 2), checkpoint=path)


def test_a_full_disk_loses_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from foodbench.training import course

    monkeypatch.setattr(course, "CHECKPOINT_INTERVAL_S", 0)
    path = tmp_path / "head.npz"
    with pytest.raises(Interrupted):
        run(regression(), phase(), examples(5, 2), InterruptsAfter(30 + 15), checkpoint=path)
    before = path.read_bytes()

    def no_space(*_arguments: object, **_arrays: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(np, "savez", no_space)
    with pytest.raises(MachineError, match=r"head.npz: No space left on device. Free some disk space"):
        run(regression(), phase(), examples(5, 2), checkpoint=path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_validation_loss_that_is_no_number_loses_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from foodbench.training import course
    from foodbench.training.batches import as_it_is

    monkeypatch.setattr(course, "CHECKPOINT_INTERVAL_S", 0)
    path = tmp_path / "head.npz"
    with pytest.raises(Interrupted):
        run(regression(), phase(), examples(5, 2), InterruptsAfter(30 + 15), checkpoint=path)
    before = path.read_bytes()
    broken = as_it_is(np.full((4, 2), np.nan, np.float32), np.zeros(4, np.int64))
    with pytest.raises(RunFailed, match=r"validation loss of the head phase became nan. Lower the learning rate"):
        run(regression(), phase(), broken, checkpoint=path)
    assert path.read_bytes() == before


def test_the_cosine_schedule_ends_at_nothing_and_weight_decay_shrinks() -> None:
    constant, cosine, decayed = regression(), regression(), regression()
    for model, changed in (
        (constant, {}),
        (cosine, {"learning_rate_schedule": "cosine"}),
        (decayed, {"weight_decay": 5.0}),
    ):
        run(model, phase(epochs=6, patience_epochs=9, **changed), examples(5, 2))
    assert float(cosine.optimizer.learning_rate) == pytest.approx(0, abs=1e-6)
    assert float(constant.optimizer.learning_rate) == pytest.approx(0.05)
    assert np.abs(decayed.get_weights()[0]).sum() < np.abs(constant.get_weights()[0]).sum()


def test_smoothed_labels_never_let_the_loss_reach_nothing() -> None:
    easy = examples(5, 2)
    result = run(regression(), phase(epochs=12, learning_rate=0.5, label_smoothing=0.3, patience_epochs=12), easy)
    # The entropy of (0.8, 0.1, 0.1): what a perfect answer still costs.
    assert min(epoch.validation_loss for epoch in result.epochs) > -(0.8 * np.log(0.8) + 0.2 * np.log(0.1)) - 1e-3


def test_epochs_take_one_draw_after_the_other_and_begin_where_they_are_told() -> None:
    from foodbench.training.batches import as_it_is, shuffled_for_ever

    draws = [as_it_is(np.full((4, 1), number, np.float32), np.arange(4)) for number in range(3)]

    def first_epochs(**options: Any) -> list[tuple[float, ...]]:
        batches = iter(shuffled_for_ever(draws, 4, (1, 0), **options))
        return [(float(inputs[0, 0]), *map(int, labels)) for inputs, labels in (next(batches) for _ in range(5))]

    epochs = first_epochs()
    assert [draw for draw, *_ in epochs] == [0, 1, 2, 0, 1]
    assert first_epochs(epochs_done=2)[:3] == epochs[2:]


def test_an_epoch_takes_every_example_once_in_another_order() -> None:
    from foodbench.training.batches import shuffled_for_ever

    labelled = examples(5, 1)
    batches = iter(shuffled_for_ever([labelled], 4, (1, 0)))
    epochs = [np.concatenate([next(batches)[0] for _ in range(4)]) for _ in range(2)]
    for epoch in epochs:
        assert sorted(map(tuple, epoch)) == sorted(map(tuple, labelled.values))
    assert not np.array_equal(epochs[0], epochs[1])
