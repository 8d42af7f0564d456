"""Photographs drawn for the bench: as large to decode as real ones, and free of anyone's rights."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

__all__ = ["LARGE_PX", "SMALL_PX", "photograph"]

LARGE_PX = 1280
SMALL_PX = 256

BYTES_PER_PIXEL = 444_000 / 1280**2
"""Of the photograph that the first baseline was measured with."""

CLOSE_ENOUGH = 0.0005
"""How close a drawn one comes to it."""


def photograph(side_px: int, seed: int = 11) -> bytes:
    """Return a square JPEG of about 0.27 bytes a pixel, as a camera's are.

    Blurred shapes of every size under fine grain; the grain is chosen so that the file gets its size.

    Args:
        side_px: Its side.
        seed: Equal seeds draw equal photographs.
    """
    least, most = 0.0, 64.0
    encoded = b""
    for _ in range(20):
        grain = (least + most) / 2
        encoded = _encoded(side_px, seed, grain)
        if abs(len(encoded) / side_px**2 - BYTES_PER_PIXEL) < CLOSE_ENOUGH:
            break
        least, most = (grain, most) if len(encoded) / side_px**2 < BYTES_PER_PIXEL else (least, grain)
    return encoded


def _encoded(side_px: int, seed: int, grain: float) -> bytes:
    random = np.random.default_rng(seed)
    pixels = np.full((side_px, side_px, 3), 128.0, np.float32)
    for cells in (4, 16, 64):
        shapes = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        pixels += (np.asarray(shapes.resize((side_px, side_px), Image.Resampling.BICUBIC), np.float32) - 128) / 3
    pixels += random.normal(0, grain, (side_px, side_px, 1)).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()
