"""Small data sets on disk, whole ones and broken ones."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SPLIT_FOLDERS = ("training", "validation", "evaluation")


def jpeg(number: int, *, mode: str = "RGB", size_px: int = 12, image_format: str = "JPEG", **options: Any) -> bytes:
    """Return an image file; another number is another picture."""
    pixels = np.random.default_rng(number).integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(content, image_format, **options)
    return content.getvalue()


def files_of_ids(
    ids: Iterable[int] = range(3), *, each: int = 2, splits: Iterable[str] = SPLIT_FOLDERS
) -> dict[str, bytes]:
    """Return a data set in Food-11's layout, by relative path."""
    names = [f"{split}/{class_id}_{n}.jpg" for split in splits for class_id in ids for n in range(each)]
    return {name: jpeg(number) for number, name in enumerate(names)}


def files_of_folders(
    classes: Iterable[str] = ("cake", "soup"), *, each: int = 2, splits: Iterable[str] = SPLIT_FOLDERS
) -> dict[str, bytes]:
    """Return a data set in class folders, by relative path."""
    names = [f"{split}/{name}/photo{n}.jpg" for split in splits for name in classes for n in range(each)]
    return {name: jpeg(number) for number, name in enumerate(names)}


def write_files(directory: Path, files: dict[str, bytes]) -> Path:
    """Write files below ``directory``, and return it."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


def write_tar(path: Path, files: dict[str, bytes], *, compression: str = "") -> Path:
    """Write a tar archive, and return its path."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    path.write_bytes(content.getvalue())
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write a zip archive, and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
