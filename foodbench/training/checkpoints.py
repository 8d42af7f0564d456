"""What a phase of training has reached, on disk after its epochs: so that a run that is killed goes on from there."""

from __future__ import annotations

import secrets
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from foodbench.errors import MachineError, StoreError
from foodbench.records.base import Record
from foodbench.records.models import EpochMetrics

__all__ = ["Checkpoint", "Reached", "load_checkpoint", "read_checkpoint", "save_checkpoint", "write_checkpoint"]

Arrays = tuple[npt.NDArray[Any], ...]

ARRAYS = ("best_weights", "variables", "optimizer")
"""The fields of a checkpoint that are arrays, in their order."""


class Reached(Record):
    """How far a phase is."""

    epochs: tuple[EpochMetrics, ...]
    best: EpochMetrics
    ended: bool
    """Whether it is over, by its number of epochs or early."""


@dataclass(frozen=True)
class Checkpoint:
    """All that the rest of a phase depends on, beside its inputs."""

    reached: Reached
    best_weights: Arrays
    """Of the lowest validation loss."""
    variables: Arrays = ()
    """The model's, random states included; none once the phase has ended."""
    optimizer: Arrays = ()
    """Its variables, the number of steps included; none once the phase has ended."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` in the place of the last one, whole or not at all. Plain arrays: nothing in it is code.

    Raises:
        MachineError: The disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            save_checkpoint(file, checkpoint)
        temporary.replace(path)
    except OSError as error:
        raise MachineError(
            f"cannot write {path}: {error.strerror or error}",
            "Free some disk space, or choose another folder with --results",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None where there is none.

    Raises:
        StoreError: It is damaged.
    """
    if not path.exists():
        return None
    try:
        # NumPy leaves a file that it opened itself open where it cannot be read.
        with path.open("rb") as file:
            return load_checkpoint(file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, ValidationError) as error:
        raise StoreError(f"{path} is not a readable checkpoint: {error}", "Delete its folder and run again") from error


def save_checkpoint(file: BinaryIO, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` into an open file, as an archive of plain arrays."""
    arrays: dict[str, npt.NDArray[Any]] = {
        f"{name}-{number}": array for name in ARRAYS for number, array in enumerate(getattr(checkpoint, name))
    }
    reached = np.frombuffer(checkpoint.reached.model_dump_json().encode(), np.uint8)
    np.savez(file, allow_pickle=False, reached=reached, **arrays)


def load_checkpoint(file: BinaryIO) -> Checkpoint:
    """Read what ``save_checkpoint`` wrote. Whatever NumPy or Pydantic raises is left to the caller."""
    with np.load(file, allow_pickle=False) as content:
        return Checkpoint(
            Reached.model_validate_json(content["reached"].tobytes()),
            *(_numbered(content, name) for name in ARRAYS),
        )


def _numbered(content: Any, name: str) -> Arrays:
    count = sum(key.startswith(f"{name}-") for key in content.files)
    return tuple(content[f"{name}-{number}"] for number in range(count))
