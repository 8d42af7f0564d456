"""The photograph that a bundle's /test predicts."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image

from foodbench import imaging
from foodbench.data.dataset import Dataset

__all__ = ["write_test_image"]

SIGNATURES = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}


def write_test_image(dataset: Dataset, directory: Path, size_px: int) -> str:
    """Copy the first evaluation image that is a JPEG or PNG file into ``directory``, byte for byte.

    Where there is none, the first image of any kind is written as PNG at the model's input size.

    Returns:
        The file's name.
    """
    files = dataset.files["evaluation"]
    for file in files:
        with file.path.open("rb") as opened:
            beginning = opened.read(8)
        for signature, ending in SIGNATURES.items():
            if beginning.startswith(signature):
                shutil.copyfile(file.path, directory / f"test_image.{ending}")
                return f"test_image.{ending}"
    encoded = io.BytesIO()
    Image.fromarray(imaging.decode(files[0].path.read_bytes(), size_px)).save(encoded, "PNG")
    (directory / "test_image.png").write_bytes(encoded.getvalue())
    return "test_image.png"
