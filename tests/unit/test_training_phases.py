"""A phase: epochs, early stopping, the best weights kept. On a softmax regression, which trains at once."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from tiny_training import Heard

from foodbench.errors import RunFailed
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
    from foodbench.training.phases import Phase

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


def test_a_phase_learns_and_records_every_epoch() -> None:
    result = run(regression(), phase(epochs=12, learning_rate=0.3), examples(5, 2))
    assert [epoch.epoch for epoch in result.epochs] == list(range(1, 1 + len(result.epochs)))
    losses = [epoch.validation_loss for epoch in result.epochs]
    assert min(losses) < losses[0]
    assert result.best.validation_loss == min(losses)
    assert result.best.validation_accuracy > 0.8


def test_the_best_weights_are_kept_and_a_phase_that_grows_worse_ends() -> None:
    model, against = regression(), examples(5, 2, labels_turned=True)
    progress = Heard()
    result = run(model, phase(epochs=10), against, progress)
    assert result.best.epoch == 1
    assert len(result.epochs) == 3
    assert validation_loss(model, against) == pytest.approx(result.best.validation_loss, rel=1e-4)
    assert any("ended after 3 of 10 epochs" in line for line in progress.lines)


def test_weights_that_no_epoch_betters_stay() -> None:
    model, against = regression(), examples(5, 2, labels_turned=True)
    before = [weights.copy() for weights in model.get_weights()]
    reached = EpochMetrics(
        phase="head",
        epoch=7,
        training_loss=0.1,
        training_accuracy=1,
        validation_loss=1e-3,
        validation_accuracy=1,
        duration_s=1,
    )
    result = run(model, phase(name="fine-tuning", to_better=reached), against)
    assert result.best == reached
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


def test_an_epoch_takes_every_example_once_in_another_order() -> None:
    from foodbench.training.batches import shuffled_for_ever

    labelled = examples(5, 1)
    batches = iter(shuffled_for_ever([labelled], 4, (1, 0)))
    epochs = [np.concatenate([next(batches)[0] for _ in range(4)]) for _ in range(2)]
    for epoch in epochs:
        assert sorted(map(tuple, epoch)) == sorted(map(tuple, labelled.values))
    assert not np.array_equal(epochs[0], epochs[1])
