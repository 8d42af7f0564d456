"""Scaling is Keras' own, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from foodbench import imaging


@pytest.mark.tensorflow
@pytest.mark.parametrize(("scaling", "mode"), [("minus-one-to-one", "tf"), ("caffe", "caffe")])
def test_scaling_equals_keras_preprocess_input(scaling: imaging.Scaling, mode: str) -> None:
    from foodbench.keras_door import keras

    pixels = np.random.default_rng(5).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    theirs = keras.applications.imagenet_utils.preprocess_input(pixels.astype(np.float32), mode=mode)
    assert np.array_equal(imaging.scale(pixels, scaling), theirs)
