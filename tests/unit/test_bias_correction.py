"""What rounding weights shifts is taken back, measured on a real network with rounded weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.tensorflow

SIZE_PX = 32


def network() -> Any:
    """Return the smallest MobileNetV2 with statistics that let signals through, inside a model as foodbench saves it."""
    from foodbench.keras_door import keras

    keras.utils.set_random_seed(3)
    base = keras.applications.MobileNetV2(
        input_shape=(SIZE_PX, SIZE_PX, 3), alpha=0.35, include_top=False, pooling="avg", weights=None
    )
    for layer in base.layers:
        layer.momentum = 0.5
    for _ in range(6):
        base(images(1), training=True)
    image = keras.Input((SIZE_PX, SIZE_PX, 3), name="image")
    return keras.Model(image, keras.layers.Dense(5, activation="softmax")(base(image)))


def images(seed: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (24, SIZE_PX, SIZE_PX, 3)).astype(np.float32)


def features(model: Any, given: npt.NDArray[np.float32], *, rounded: bool) -> npt.NDArray[np.float32]:
    """Return the pooled features of the base, with its weights as int8 would hold them."""
    from foodbench.keras_door import keras

    base = keras.models.clone_model(model.layers[1])
    base.set_weights(model.layers[1].get_weights())
    for layer in base.layers if rounded else ():
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D):
            shared = (0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (0, 1, 2)
            kernel = layer.get_weights()[0]
            step = np.abs(kernel).max(axis=shared, keepdims=True) / 127
            layer.set_weights([np.rint(kernel / step) * step])
    answered: npt.NDArray[np.float32] = keras.Model(base.inputs[0], base.outputs[0])(given, training=False).numpy()
    return answered


def test_the_features_means_come_back_also_on_images_it_has_not_seen() -> None:
    from foodbench.packaging.bias_correction import correct_bias

    model = network()
    wanted = features(model, images(2), rounded=False).mean(axis=0)
    before = np.abs(features(model, images(2), rounded=True).mean(axis=0) - wanted).mean()
    correct_bias(model, images(1))
    after = np.abs(features(model, images(2), rounded=True).mean(axis=0) - wanted).mean()
    assert after < before / 3


def test_only_offsets_are_changed() -> None:
    from foodbench.packaging.bias_correction import correct_bias

    model = network()
    names = [weight.path for weight in model.weights]
    before = model.get_weights()
    correct_bias(model, images(1))
    changed = {
        name.rpartition("/")[2]
        for name, old, new in zip(names, before, model.get_weights(), strict=True)
        if not np.array_equal(old, new)
    }
    assert changed == {"beta"}


def test_a_network_without_batchnorm_stays_as_it_is() -> None:
    from foodbench.keras_door import keras
    from foodbench.packaging.bias_correction import correct_bias

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(image))))
    before = model.get_weights()
    correct_bias(model, np.ones((2, 8, 8, 3), np.float32))
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
