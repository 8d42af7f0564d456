"""Loads Keras model files that nobody has vouched for, and says what images they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foodbench.errors import InputError
from foodbench.keras_door import keras
from foodbench.training.own_files import check_keras_file

__all__ = ["image_side_px", "load_keras_file"]

MOST_LETTERS = 200


def load_keras_file(path: Path) -> Any:
    """Load a model without running any code that its file may carry, and without its optimiser.

    Raises:
        InputError: It is no Keras file, it carries code, or Keras cannot read it.
    """
    check_keras_file(path)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a damaged configuration brings about in Keras
        told = " ".join(str(error).split())
        if "safe_mode" in told:
            raise InputError(
                f"{path} carries code (as a Lambda layer does), which foodbench never runs",
                "Save the model with layers of Keras in its place",
            ) from error
        raise InputError(
            f"Keras cannot read {path}: {_telling(told)}", "Give a whole .keras file, made of layers of Keras alone"
        ) from error


def image_side_px(model: Any, path: Path) -> int:
    """Return the side of the images that a model takes.

    Raises:
        InputError: It does not take batches of square RGB images of a fixed size.
    """
    # A model that was never built has no shapes.
    given = getattr(model, "input_shape", None)
    if isinstance(given, tuple) and len(given) == 4:
        batch, height, width, channels = given
        if batch is None and height and height == width and channels == 3:
            return int(height)
    taken = "nothing yet, as it was never built" if given is None else given
    raise InputError(
        f"{path} takes {taken}; it should take square RGB images of a fixed size, (None, size, size, 3)",
        "Save it with an input of that shape",
    )


def _telling(told: str) -> str:
    """Return the part of Keras' message that says what went wrong: its first lines may be pages of configuration."""
    return told.rpartition("Exception encountered: ")[2][:MOST_LETTERS].rstrip(".")
