"""What a Keras file of the user's own is taken for, and what is neither a base nor a classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_models import own_spec, write_base, write_classifier, write_nothing_inside, write_sequence

from foodbench.errors import InputError
from foodbench.imaging import scale

pytestmark = pytest.mark.tensorflow

IMAGES = scale(np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8), "zero-to-one")

Write = Callable[[Path], Path]


def taken(path: Path, **replaced: Any) -> Any:
    from foodbench.training.backbones import take_own_file

    return take_own_file(own_spec(path, **replaced), 11, path)


def head_of(layers: Any) -> Any:
    return layers.GlobalAveragePooling2D()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("pooled", [False, True])
def test_a_base_keeps_its_weights_and_is_pooled_where_it_is_not(tmp_path: Path, *, pooled: bool, nested: bool) -> None:
    from foodbench.keras_door import keras
    from foodbench.training.backbones import count_parameters

    path = write_base(tmp_path / "mine.keras", pooled=pooled, nested=nested)
    classifier = taken(path)
    given = keras.models.load_model(path)(IMAGES).numpy()
    expected = given if pooled else given.mean(axis=(1, 2))
    assert classifier.features(IMAGES).numpy() == pytest.approx(expected, abs=1e-6)
    assert classifier.model(IMAGES).shape == (3, 11)
    counted = count_parameters(classifier.base)
    assert (counted.total, counted.non_trainable) == (112 + 16 + 222, 8)


@pytest.mark.parametrize("nested", [False, True])
def test_fine_tuning_counts_the_layers_of_a_model_within(tmp_path: Path, *, nested: bool) -> None:
    from foodbench.training.backbones import unfreeze_last

    classifier = taken(write_base(tmp_path / "mine.keras", nested=nested))
    # From the end: the pooling, what comes after the inner model if there is one, and its last layers.
    unfreeze_last(classifier, 3 + nested)
    free = [variable.path for variable in classifier.base.trainable_variables]
    assert [name.split("/")[-2] for name in free] == ["last", "last"]
    before = {layer.name: [np.array(one) for one in layer.get_weights()] for layer in classifier.layers}
    assert classifier.model(IMAGES, training=True).shape == (3, 11)
    norm = next(layer for layer in classifier.layers if layer.name == "norm")
    assert all(map(np.array_equal, norm.get_weights(), before["norm"]))


def test_a_base_is_cut_where_its_graph_is_told_and_not_where_it_is_not(tmp_path: Path) -> None:
    from foodbench.training.splitting import cut_before_last

    plain = taken(write_base(tmp_path / "plain.keras"))
    cut = cut_before_last(plain, 2)
    assert cut is not None
    assert cut.model(cut.front(IMAGES)).numpy() == pytest.approx(plain.model(IMAGES).numpy(), abs=1e-6)
    assert cut_before_last(taken(write_base(tmp_path / "nested.keras", nested=True)), 2) is None


def test_a_layer_that_is_used_twice_is_no_place_for_a_cut(tmp_path: Path) -> None:
    from foodbench.keras_door import keras
    from foodbench.training.splitting import cut_before_last

    image = keras.Input((32, 32, 3))
    twice = keras.layers.Conv2D(3, 3, padding="same")
    first = twice(image)
    added = keras.layers.Add()([twice(keras.layers.ReLU()(first)), first])
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(added)).save(tmp_path / "mine.keras")
    assert cut_before_last(taken(tmp_path / "mine.keras"), 1) is None


def test_a_classifier_is_taken_as_it_is(tmp_path: Path) -> None:
    from foodbench.keras_door import keras
    from foodbench.training.backbones import TrainedClassifier

    path = write_classifier(tmp_path / "mine.keras")
    classifier = taken(path)
    assert isinstance(classifier, TrainedClassifier)
    assert np.array_equal(classifier.model(IMAGES), keras.models.load_model(path, compile=False)(IMAGES))


def test_a_sequence_of_layers_is_a_base_too(tmp_path: Path) -> None:
    path = write_sequence(tmp_path / "mine.keras", lambda layers: layers.Conv2D(7, 3))
    assert taken(path).features(IMAGES).shape == (3, 7)


def unbuilt(path: Path) -> Path:
    from foodbench.keras_door import keras

    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential([keras.layers.Dense(3)]).save(path)
    return path


def of_two_inputs(path: Path) -> Path:
    from foodbench.keras_door import keras

    inputs = [keras.Input((32, 32, 3)), keras.Input((32, 32, 3))]
    keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Add()(inputs))).save(path)
    return path


def of_bytes(path: Path) -> Path:
    from foodbench.keras_door import keras

    image = keras.Input((32, 32, 3), dtype="uint8")
    keras.Model(image, head_of(keras.layers)(keras.layers.Rescaling(1 / 127.5, -1)(image))).save(path)
    return path


def broken_weights(path: Path) -> Path:
    return write_sequence(
        path, lambda layers: layers.Conv2D(2, 3, kernel_initializer="zeros", bias_initializer=not_a_number(layers))
    )


def not_a_number(layers: Any) -> Any:
    from foodbench.keras_door import keras

    del layers
    return keras.initializers.Constant(float("nan"))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: write_nothing_inside(path, "config.json", "metadata.json", "model.weights.h5"), "Keras cannot"),
        (
            lambda path: write_sequence(path, lambda layers: layers.Lambda(lambda x: x * 2.0)),
            r"carries code \(as a Lambda layer does\), which foodbench never runs",
        ),
        (unbuilt, "takes nothing yet, as it was never built"),
        (of_two_inputs, r"takes \[.*should take square RGB images"),
        (
            lambda path: write_sequence(path, head_of, shape=(32, 48, 3)),
            r"takes \(None, 32, 48, 3\); it should take square",
        ),
        (lambda path: write_sequence(path, head_of, shape=(None, None, 3)), r"takes \(None, None, None, 3\)"),
        (lambda path: write_sequence(path, head_of, shape=(32, 32, 1)), r"takes \(None, 32, 32, 1\)"),
        (
            lambda path: write_sequence(path, head_of, shape=(48, 48, 3)),
            r"takes images of 48 px\. Received: input_size_px = 32\. Set input_size_px = 48",
        ),
        (of_bytes, "takes uint8; it should take scaled pixels, float32"),
        (
            lambda path: write_sequence(path, lambda layers: layers.Rescaling(1 / 255, name="pixels"), head_of),
            r"scales pixels of 0 to 255 itself \(layer pixels\).*Rescaling\(255\)",
        ),
        (
            lambda path: write_sequence(
                path,
                lambda layers: layers.Normalization(mean=[123.7, 116.3, 103.5], variance=[3400.0] * 3, name="pixels"),
                head_of,
            ),
            r"scales pixels of 0 to 255 itself \(layer pixels\)",
        ),
        (
            lambda path: write_sequence(path, lambda layers: layers.Reshape((32, 96))),
            r"answers \(None, 32, 96\)\. It should answer a feature map",
        ),
        (broken_weights, "answers numbers that are not finite"),
        (
            lambda path: write_classifier(path, classes=4),
            r"answers probabilities of 4 classes; the data set has 11.*include_top=False",
        ),
        (
            lambda path: write_sequence(path, head_of, lambda layers: layers.Dense(11)),
            r"answers 11 numbers for an image that are no probabilities.*End it with a softmax",
        ),
        (
            lambda path: write_sequence(path, head_of, lambda layers: layers.Dense(1, activation="sigmoid")),
            "answers 1 number for an image",
        ),
    ],
)
def test_what_fits_neither_use_is_refused_in_one_line(tmp_path: Path, write: Write, message: str) -> None:
    path = write(tmp_path / "mine.keras")
    with pytest.raises(InputError, match=rf"mine\.keras:? {message}|{message}.*mine\.keras") as refused:
        taken(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    "first",
    [
        lambda layers: layers.Rescaling(255),
        lambda layers: layers.Rescaling([2.0, 2.0, 2.0], [-1.0, -1.0, -1.0]),
        lambda layers: layers.Normalization(mean=[0.48, 0.46, 0.41], variance=[0.05] * 3),
    ],
)
def test_preprocessing_of_scaled_pixels_may_be_inside(tmp_path: Path, first: Any) -> None:
    path = write_sequence(tmp_path / "mine.keras", first, lambda layers: layers.Conv2D(2, 3))
    assert taken(path).features(IMAGES).shape == (3, 2)


def test_a_layer_that_keras_does_not_know_is_named(tmp_path: Path) -> None:
    from foodbench.keras_door import keras

    class Secret(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    image = keras.Input((32, 32, 3))
    keras.Model(image, Secret()(image)).save(tmp_path / "mine.keras")
    with pytest.raises(InputError, match=r"Keras cannot read .*mine\.keras: Could not locate class 'Secret'"):
        taken(tmp_path / "mine.keras")
