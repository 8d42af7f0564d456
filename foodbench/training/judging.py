"""Judges a trained model on photographs: a whole split, or single ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench import imaging
from foodbench.data.arrays import load_arrays
from foodbench.data.dataset import Dataset
from foodbench.errors import InputError
from foodbench.progress import Progress
from foodbench.records.datasets import Split
from foodbench.records.models import Evaluation

__all__ = ["JudgedModel", "evaluate_model", "predict_photographs"]


@dataclass(frozen=True)
class JudgedModel:
    """A Keras model of scaled images, and what must be known to ask it."""

    path: Path
    name: str
    scaling: imaging.Scaling
    classes: tuple[str, ...] | None = None
    """None where only the number of its outputs is known."""


def evaluate_model(model: JudgedModel, dataset: Dataset, split: Split, progress: Progress) -> Evaluation:
    """Compare a model's answers on a split with the truth.

    Raises:
        InputError: The model was made for other classes, takes no images, or cannot be read.
    """
    names = dataset.record.classes
    if model.classes is not None and model.classes != names:
        raise InputError(
            f"{model.name} knows the classes {_listed(model.classes)}; {dataset.record.label} has {_listed(names)}",
            "Give photographs of the same classes in the same order",
        )
    loaded, size_px, outputs = _loaded(model)
    if outputs != len(names):
        raise InputError(
            f"{model.name} answers {outputs} classes; {dataset.record.label} has {len(names)}",
            "Give photographs of the classes that it was trained on",
        )
    from foodbench.training.evaluation import evaluate

    pixels, labels = load_arrays(dataset, split, size_px, progress=progress)
    if not len(labels):
        raise InputError(f"{dataset.record.label} has no {split} images", "Choose another split with --split")
    return evaluate(_answers(loaded, model, pixels, progress), labels, split)


def predict_photographs(
    model: JudgedModel, photographs: tuple[Path, ...], *, progress: Progress
) -> npt.NDArray[np.float32]:
    """Return the class probabilities of photographs, (n, classes).

    They are decoded, turned upright and resized as everywhere else (``imaging.decode``).

    Raises:
        InputError: A photograph or the model cannot be read.
    """
    encoded = [_read(path) for path in photographs]
    loaded, size_px, _ = _loaded(model)
    pixels = np.empty((len(encoded), size_px, size_px, 3), np.uint8)
    for place, (path, content) in enumerate(zip(photographs, encoded, strict=True)):
        try:
            pixels[place] = imaging.decode(content, size_px)
        except imaging.ImageError as error:
            raise InputError(f"{path} is no photograph that can be read: {error}", "Give a JPEG or PNG file") from error
    return _answers(loaded, model, pixels, progress)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}", "Give the path of a photograph") from error


def _loaded(model: JudgedModel) -> tuple[Any, int, int]:
    """Return the model, the side of the images it takes, and the number of classes it answers."""
    from foodbench.training.keras_files import image_side_px, load_keras_file

    loaded = load_keras_file(model.path)
    size_px, answered = image_side_px(loaded, model.path), loaded.output_shape
    if not isinstance(answered, tuple) or len(answered) != 2:
        raise InputError(f"{model.path} answers {answered}", "It should answer a probability for each class")
    return loaded, size_px, int(answered[1])


def _answers(
    loaded: Any, model: JudgedModel, pixels: npt.NDArray[np.uint8], progress: Progress
) -> npt.NDArray[np.float32]:
    from foodbench.keras_door import outputs

    description = f"Answers of {model.name}"
    return outputs(loaded, pixels, model.scaling, heard=lambda done: progress.step(description, done, len(pixels)))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
