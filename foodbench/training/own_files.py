"""Keras model files of the user's own: found, and refused where they cannot be one, without TensorFlow."""

from __future__ import annotations

import zipfile
from pathlib import Path

from foodbench.errors import InputError
from foodbench.records.experiments import ModelSpec

__all__ = ["LARGEST_UNPACKED_BYTES", "check_keras_file", "find_own_file"]

LARGEST_UNPACKED_BYTES = 8 * 2**30
"""ConvNeXtXLarge, Keras' largest classifier, takes 4.2 GB with the state of its optimiser."""

LARGEST_CONFIG_BYTES = 64 * 2**20
"""Of the architecture as JSON, which for Keras' own networks is below 1 MB."""

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
HOW_TO_WRITE_ONE = 'Write one with Keras 3: model.save("mine.keras")'


def find_own_file(spec: ModelSpec) -> Path:
    """Return the file that is the backbone of ``spec``; a relative path is of the working directory.

    Raises:
        InputError: There is none, or it is no Keras file.
    """
    path = Path(spec.backbone).expanduser()
    if not path.is_file():
        raise InputError(
            f"model {spec.name}: backbone = {spec.backbone!r} is no file in {Path.cwd()}"
            if not path.is_absolute()
            else f"model {spec.name}: backbone = {spec.backbone!r} is no file",
            "Give the path of a .keras file",
        )
    check_keras_file(path)
    return path


def check_keras_file(path: Path) -> None:
    """Refuse a file that cannot be a Keras 3 model, or would unpack to more than any is.

    Raises:
        InputError: It is no archive, lacks a part, or is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes_bytes = {member.filename: member.file_size for member in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(f"{path} is no Keras file: it is no zip archive", HOW_TO_WRITE_ONE) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}", "Give a file that can be read") from error
    for part in (CONFIG, WEIGHTS):
        if part not in sizes_bytes:
            raise InputError(f"{path} is no Keras file: it has no {part} in it", HOW_TO_WRITE_ONE)
    if sum(sizes_bytes.values()) > LARGEST_UNPACKED_BYTES or sizes_bytes[CONFIG] > LARGEST_CONFIG_BYTES:
        raise InputError(
            f"{path} unpacks to {sum(sizes_bytes.values()):,} bytes, {sizes_bytes[CONFIG]:,} of them {CONFIG}",
            f"A model may have {LARGEST_UNPACKED_BYTES:,}, and {LARGEST_CONFIG_BYTES:,} of {CONFIG}",
        )
