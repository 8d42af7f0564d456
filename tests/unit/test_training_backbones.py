"""Classifiers built from Keras' networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import tiny_spec

from foodbench.errors import InputError
from foodbench.imaging import scale
from foodbench.records.experiments import Augmentation
from foodbench.training.catalogue import resolve
from foodbench.training.parameters import parameters_of

pytestmark = pytest.mark.tensorflow

PIXELS = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def batch_norms(base: Any) -> list[Any]:
    return [layer for layer in base.layers if type(layer).__name__ == "BatchNormalization"]


@pytest.mark.parametrize(
    ("name", "width", "total", "trainable"),
    [
        ("MobileNetV2", 1.0, 2_257_984, 2_223_872),
        ("ResNet101V2", None, 42_626_560, 42_528_896),
        ("VGG16", None, 14_714_688, 14_714_688),
    ],
)
def test_bases_have_the_parameters_that_keras_prints(
    name: str, width: float | None, total: int, trainable: int
) -> None:
    from foodbench.training.backbones import build_base, count_parameters

    base = build_base(resolve(tiny_spec(backbone=name, width=width)))
    base.trainable = False
    counted = count_parameters(base)
    assert (counted.total, counted.trainable, counted.non_trainable) == (total, trainable, total - trainable)
    assert parameters_of(name) == counted


def test_probabilities_are_the_heads_answer_to_the_features() -> None:
    from foodbench.keras_door import outputs
    from foodbench.training.backbones import build_classifier

    classifier = build_classifier(resolve(tiny_spec()), 5, None)
    probabilities = outputs(classifier.model, PIXELS, "minus-one-to-one", batch_size=2)
    features = outputs(classifier.features, PIXELS, "minus-one-to-one")
    assert probabilities.shape == (3, 5)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert classifier.head(features).numpy() == pytest.approx(probabilities, abs=1e-6)


def test_an_adapted_backbone_computes_what_keras_own_preprocessing_gives() -> None:
    from foodbench.keras_door import keras, outputs
    from foodbench.training.backbones import build_classifier

    classifier = build_classifier(resolve(tiny_spec(backbone="EfficientNetV2B0", width=None)), 2, None)
    whole = keras.applications.EfficientNetV2B0(
        include_top=False, pooling="avg", weights=None, input_shape=(32, 32, 3), include_preprocessing=True
    )
    whole.set_weights(classifier.base.get_weights())
    expected = whole(PIXELS.astype(np.float32), training=False).numpy()
    assert outputs(classifier.features, PIXELS, "zero-to-one") == pytest.approx(expected, abs=1e-4)


def test_weights_from_a_file_are_the_bases_and_frozen_they_stay_in_inference_mode(tmp_path: Path) -> None:
    from foodbench.training.backbones import build_base, build_classifier

    spec = resolve(tiny_spec())
    given = build_base(spec)
    path = tmp_path / "base.weights.h5"
    given.save_weights(path)
    classifier = build_classifier(spec, 5, path)
    image = scale(PIXELS, "minus-one-to-one")
    expected = given(image, training=False).numpy()
    assert classifier.features(image, training=True).numpy() != pytest.approx(expected, abs=0.1)
    classifier.base.trainable = False
    assert classifier.features(image, training=True).numpy() == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("content", ["another width", "another network", "no weights at all"])
def test_weights_of_another_model_are_refused(tmp_path: Path, content: str) -> None:
    from foodbench.training.backbones import build_base, build_classifier

    path = tmp_path / "other.weights.h5"
    if content == "no weights at all":
        path.write_bytes(b"no HDF5")
    else:
        other = {"width": 0.5} if content == "another width" else {"backbone": "VGG16", "width": None}
        build_base(resolve(tiny_spec(**other))).save_weights(path)
    with pytest.raises(InputError, match=r"other.weights.h5 does not hold the weights of MobileNetV2 of width 0.35"):
        build_classifier(resolve(tiny_spec()), 5, path)


def test_a_size_too_small_for_a_backbone_is_an_input_error() -> None:
    from foodbench.training.backbones import build_base

    with pytest.raises(InputError, match="InceptionV3 cannot be built so"):
        build_base(resolve(tiny_spec(backbone="InceptionV3", width=None, input_size_px=40)))


@pytest.mark.parametrize("layers", [0, 5, 10_000])
def test_fine_tuning_frees_the_last_layers_but_for_batch_norm(layers: int) -> None:
    from foodbench.training.backbones import build_classifier, unfreeze_last

    classifier = build_classifier(resolve(tiny_spec()), 5, None)
    classifier.base.trainable = False
    unfreeze_last(classifier, layers)
    every_layer = classifier.base.layers
    norms = batch_norms(classifier.base)
    free = [layer for layer in every_layer if layer.trainable]
    last = every_layer[len(every_layer) - min(layers, len(every_layer)) :]
    assert free == [layer for layer in last if layer not in norms]
    assert classifier.model.layers[-1].trainable


def test_random_weights_follow_the_statistics_of_few_steps() -> None:
    from foodbench.training.backbones import build_classifier

    norms = batch_norms(build_classifier(resolve(tiny_spec()), 5, None).base)
    assert norms
    assert {norm.momentum for norm in norms} == {0.9}


def test_augmentation_changes_each_image_on_its_own_and_again_by_its_seed() -> None:
    from foodbench.training.augmentation import build_augmenter

    images = scale(np.repeat(PIXELS[:1], 4, axis=0), "zero-to-one")

    def changed(seed: int, *, part: int = 1, batches_before: int = 0) -> Any:
        augment = build_augmenter(Augmentation(), seed)
        assert augment is not None
        for _ in range(batches_before):
            augment(images)
        augment.begin(part)
        return augment(images).numpy()

    first = changed(1)
    assert first.shape == images.shape
    assert len(np.unique(first.reshape(4, -1), axis=0)) == 4
    assert np.array_equal(first, changed(1, batches_before=2))
    assert not np.array_equal(first, changed(2))
    assert not np.array_equal(first, changed(1, part=2))
    assert first.min() >= 0
    assert first.max() <= 1


def test_an_augmentation_of_nothing_is_none() -> None:
    from foodbench.training.augmentation import build_augmenter

    nothing = Augmentation(
        rotation_degrees=0, zoom_fraction=0, shift_fraction=0, shear_degrees=0, horizontal_flip=False
    )
    assert build_augmenter(nothing, 1) is None
    assert build_augmenter(None, 1) is None
