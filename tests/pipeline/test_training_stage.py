"""Training for real, on the smallest model and data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import Heard, draw_dataset, tiny_recipe, tiny_spec

from foodbench.data import load_arrays
from foodbench.errors import InputError
from foodbench.progress import Silent
from foodbench.records.experiments import Augmentation, FineTuning, HeadTraining, ModelSpec, TokenTraining
from foodbench.records.models import ModelArtifact, WeightsUsed
from foodbench.store import Store
from foodbench.training import train
from foodbench.training.catalogue import resolve
from foodbench.training.stage import model_digest
from foodbench.training.weights import InitialWeights, sha256_of

pytestmark = pytest.mark.tensorflow


def trained(store: Store, spec: ModelSpec, progress: Heard | None = None) -> ModelArtifact:
    return train(spec, draw_dataset(store), store, weights_directory=None, progress=progress or Silent())


SPEC = tiny_spec(recipe=tiny_recipe(augmentation=Augmentation()))
"""All that is random in a training: initial weights, order, augmentation."""


@dataclass(frozen=True)
class Once:
    """One model, trained once for several tests."""

    store: Store
    artifact: ModelArtifact
    progress: Heard


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """A store with the tiny model in it."""
    store, progress = Store(tmp_path_factory.mktemp("once")), Heard()
    return Once(store, trained(store, SPEC, progress), progress)


def test_random_weights_are_trained_as_a_whole_and_say_so(once: Once) -> None:
    artifact = once.artifact
    assert artifact.head_phase_trained == "whole-model"
    assert artifact.marks == ("synthetic images", "random initial weights")
    assert artifact.spec.scaling == "minus-one-to-one"
    assert artifact.evaluation.images == 22
    assert np.sum(artifact.evaluation.confusion) == 22
    assert artifact.validation_accuracy_fine_tuned is None
    assert artifact.model_parameters == artifact.base_parameters.total + 11 * (1280 + 1)
    assert any("whole model" in description for description, _, _ in once.progress.steps)


def test_the_stored_model_takes_scaled_images_and_answers_as_it_was_evaluated(once: Once) -> None:
    from foodbench.keras_door import keras, outputs

    artifact = once.artifact
    path = once.store.model_directory(artifact.digest) / artifact.keras_file
    assert (sha256_of(path), path.stat().st_size) == (artifact.keras_file_sha256, artifact.keras_file_bytes)
    # No optimiser is saved: half of an Adam-trained model's file would be its moments.
    assert path.stat().st_size < 1.5 * 4 * artifact.model_parameters
    model = keras.models.load_model(path, safe_mode=True)
    pixels, labels = load_arrays(draw_dataset(once.store), "evaluation", 32)
    probabilities = outputs(model, pixels, "minus-one-to-one")
    assert int((probabilities.argmax(axis=1) == labels).sum()) == artifact.evaluation.correct


def test_what_the_store_has_is_not_trained_again(once: Once) -> None:
    progress = Heard()
    assert trained(once.store, SPEC, progress) == once.artifact
    assert not any("Training" in description for description, _, _ in progress.steps)


@pytest.mark.parametrize(
    "changed",
    [
        {"recipe": tiny_recipe(augmentation=Augmentation(), seed=2)},
        {"name": "other"},
        {"scaling": "zero-to-one"},
        {"input_size_px": 64},
    ],
)
def test_another_specification_is_another_model(once: Once, changed: dict[str, Any]) -> None:
    dataset, random = draw_dataset(once.store), InitialWeights(WeightsUsed(kind="random"), None)
    assert model_digest(resolve(SPEC), dataset, random) == once.artifact.digest
    assert model_digest(resolve(SPEC.model_copy(update=changed)), dataset, random) != once.artifact.digest


def test_weights_not_at_hand_are_random_with_a_token_training_and_say_so(
    once: Once, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    token = TokenTraining(images_per_class=1, epochs=1)
    recipe = tiny_recipe(head=HeadTraining(epochs=30), fine_tuning=FineTuning(epochs=30))
    progress = Heard()
    artifact = trained(
        once.store, tiny_spec(weights="imagenet-or-random", recipe=recipe, token_training=token), progress
    )
    assert artifact.weights.kind == "random"
    assert artifact.marks == ("synthetic images", "random initial weights, token training on 11 images")
    assert (len(artifact.epochs), artifact.evaluation.images) == (1, 11)
    assert any("the ImageNet weights of MobileNetV2 are not at hand" in line for line in progress.lines)


def test_equal_seeds_train_equal_models(once: Once, store: Store) -> None:
    first, second = once.artifact, trained(store, SPEC)
    assert [epoch.training_loss for epoch in first.epochs] == [epoch.training_loss for epoch in second.epochs]
    assert first.evaluation == second.evaluation


def test_given_weights_train_the_head_on_features_computed_once(store: Store, base_weights: Path) -> None:
    progress = Heard()
    artifact = trained(store, tiny_spec(weights=str(base_weights)), progress)
    assert artifact.head_phase_trained == "head"
    assert artifact.weights.kind == "file"
    assert artifact.weights.sha256 == sha256_of(base_weights)
    assert artifact.marks == ("synthetic images",)
    assert {description for description, _, _ in progress.steps} >= {
        "Frozen layers of tiny: features-training-1",
        "Training tiny, head",
    }


def test_the_two_phases_leave_a_frozen_base_alone_but_for_its_last_layers(store: Store, base_weights: Path) -> None:
    from foodbench.keras_door import keras
    from foodbench.training.backbones import build_base

    recipe = tiny_recipe(
        augmentation=Augmentation(),
        head=HeadTraining(epochs=1, learning_rate=1e-5),
        fine_tuning=FineTuning(epochs=4, learning_rate=1e-3),
    )
    artifact = trained(store, tiny_spec(weights=str(base_weights), recipe=recipe))
    assert [(epoch.phase, epoch.epoch) for epoch in artifact.epochs[:2]] == [("head", 1), ("fine-tuning", 1)]
    assert artifact.validation_accuracy_fine_tuned is not None
    before = build_base(artifact.spec)
    before.load_weights(base_weights)
    model = keras.models.load_model(store.model_directory(artifact.digest) / artifact.keras_file)
    after = next(layer for layer in model.layers if layer.name.startswith("mobilenetv2"))
    # An input layer is named by a counter, the others by what they are.
    changed = {
        old.name
        for old, new in zip(before.layers, after.layers, strict=True)
        if not all(map(np.array_equal, old.get_weights(), new.get_weights()))
    }
    # Of the last five layers one is a convolution, one a BatchNorm, and three have no weights.
    assert changed == {"Conv_1"}


def test_weights_of_another_model_leave_nothing_behind(store: Store, base_weights: Path) -> None:
    with pytest.raises(InputError, match=r"base.weights.h5 does not hold the weights of MobileNetV2 of width 0.5"):
        trained(store, tiny_spec(width=0.5, weights=str(base_weights)))
    assert not (store.root / "_models").exists()
