"""A split of a data set as arrays."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from foodbench import imaging
from foodbench.data.dataset import Dataset, LabelledFile
from foodbench.data.parallel import each
from foodbench.errors import InputError, MachineError
from foodbench.progress import Progress, Silent
from foodbench.records.base import digest_of
from foodbench.records.datasets import Split

__all__ = ["decode_verified", "load_arrays", "write_array"]


def load_arrays(
    dataset: Dataset, split: Split, size_px: int, *, cache: Path | None = None, progress: Progress | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Decode all images of a split, by several threads.

    Args:
        dataset: A verified data set.
        split: Which of its splits.
        size_px: Side of the square that each image is resized to.
        cache: A folder to keep the pixels in. With it they are not held in memory but mapped from a file
            (n x size_px x size_px x 3 bytes), read-only, which a later call maps again without decoding.
        progress: Told how far it is.

    Returns:
        Pixels, uint8 ``(n, size_px, size_px, 3)``, and class ids, int64 ``(n,)``, in the order of
        ``dataset.files[split]``: by class, so shuffle before training.

    Raises:
        InputError: A file has changed since it was verified.
        MachineError: The cache cannot be written.
    """
    files = dataset.files[split]
    labels = np.array([file.class_id for file in files], np.int64)
    progress = progress or Silent()
    if cache is None:
        pixels = np.empty((len(files), size_px, size_px, 3), np.uint8)
        _fill(pixels, files, progress, split)
        return pixels, labels
    path = cache / f"{_key(dataset, split, size_px)}.npy"
    if not path.exists():
        shape = (len(files), size_px, size_px, 3)
        write_array(path, shape, np.uint8, lambda pixels: _fill(pixels, files, progress, split))
    return np.load(path, mmap_mode="r"), labels


def _fill(pixels: NDArray[np.uint8], files: tuple[LabelledFile, ...], progress: Progress, split: Split) -> None:
    def decode(place: int) -> None:
        pixels[place] = decode_verified(files[place].path, pixels.shape[1])

    for _ in each(decode, range(len(files)), progress, f"decoding {split} images"):
        pass


def decode_verified(path: Path, size_px: int) -> NDArray[np.uint8]:
    """Decode an image of a verified data set, as :func:`foodbench.imaging.decode` does.

    Raises:
        InputError: It has changed since it was verified.
    """
    try:
        return imaging.decode(path.read_bytes(), size_px)
    except (OSError, imaging.ImageError) as error:
        raise InputError(f"{path} has changed since it was verified: {error}", "Run the command again") from error


def write_array(
    path: Path, shape: tuple[int, ...], dtype: type[np.generic], fill: Callable[[NDArray[Any]], None]
) -> None:
    """Write an array to ``path``, whole or not at all, without holding it in memory.

    Args:
        path: Where, in NumPy's format; its folder is made if need be.
        shape: Of the array.
        dtype: Of its items.
        fill: Fills the array, which is mapped from the file.

    Raises:
        MachineError: The disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        _reserve(temporary)
        fill(array)
        array.flush()
        temporary.replace(path)
    except OSError as error:
        gib = math.prod(shape) * np.dtype(dtype).itemsize / 2**30
        raise MachineError(
            f"cannot write {path} ({gib:.2g} GiB): {error.strerror or error}", "Free some disk space"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _reserve(path: Path) -> None:
    """Take the file's whole size on disk now: a mapped page that finds the disk full ends the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _key(dataset: Dataset, split: Split, size_px: int) -> str:
    # The names too: they decide the order, which the data set's digest does not know.
    names = "\n".join(f"{file.class_id} {file.path}" for file in dataset.files[split])
    order = hashlib.sha256(names.encode("utf-8", "backslashreplace")).hexdigest()
    return digest_of("arrays", dataset.record.digest, split, size_px, order, PIL.__version__)
