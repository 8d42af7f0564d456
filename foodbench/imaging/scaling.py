"""From pixels to the numbers a backbone was trained on."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scaling", "scale"]

Scaling = Literal["zero-to-one", "minus-one-to-one", "caffe"]

CAFFE_MEANS_BGR = (103.939, 116.779, 123.68)
"""Mean blue, green and red of ImageNet's training images, as in keras.src.applications.imagenet_utils."""


def scale(pixels: NDArray[np.uint8], scaling: Scaling) -> NDArray[np.float32]:
    """Return what the model is given.

    The last two scalings are those of ``keras.applications.imagenet_utils.preprocess_input`` (modes
    "tf" and "caffe"), operation for operation in float32, so that the result is equal to the last bit.

    Args:
        pixels: RGB of any leading shape, ``(..., 3)``.
        scaling: ``"zero-to-one"`` is x / 255, ``"minus-one-to-one"`` is x / 127.5 - 1, ``"caffe"`` is
            BGR less ImageNet's means.

    Returns:
        A new float32 array of the same shape.

    Raises:
        ValueError: ``scaling`` is none of these.
    """
    if scaling == "zero-to-one":
        return np.divide(pixels, np.float32(255), dtype=np.float32)
    if scaling == "minus-one-to-one":
        scaled = np.divide(pixels, np.float32(127.5), dtype=np.float32)
        scaled -= np.float32(1)
        return scaled
    if scaling == "caffe":
        scaled = pixels[..., ::-1].astype(np.float32)
        scaled -= np.array(CAFFE_MEANS_BGR, np.float32)
        return scaled
    raise ValueError(f"scaling should be zero-to-one, minus-one-to-one or caffe. Received: {scaling!r}")
