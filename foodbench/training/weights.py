"""Finds the weights a model begins with. Nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foodbench.errors import InputError, MachineError
from foodbench.records.experiments import ModelSpec, Recipe
from foodbench.records.models import WeightsUsed
from foodbench.training.catalogue import find_backbone, weights_file_names
from foodbench.training.own_files import find_own_file

__all__ = ["InitialWeights", "find_weights", "imagenet_file", "keras_models_directory", "sha256_of", "token_recipe"]


@dataclass(frozen=True)
class InitialWeights:
    """The weights the base begins with."""

    used: WeightsUsed
    path: Path | None
    """None for random ones."""
    substituted: bool = False
    """Whether random ones stand in for ImageNet's, which are not at hand."""


def keras_models_directory() -> Path:
    """Return the folder in which Keras keeps the weights it downloads."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def find_weights(spec: ModelSpec, directory: Path | None) -> InitialWeights:
    """Find the weights that ``spec`` asks for.

    Args:
        spec: Resolved (see ``catalogue.resolve``). Its ``weights`` is "imagenet", "imagenet-or-random", "none" or
            a path; "file" where its backbone is one.
        directory: Holds Keras' official files; Keras' own folder is looked into after it.

    Raises:
        InputError: There is no such file, it is no Keras file where it should be one, or there are no ImageNet
            weights of that width.
        MachineError: The ImageNet weights are not on this machine.
    """
    if spec.has_own_file:
        return _of_file(find_own_file(spec))
    if spec.weights == "none":
        return InitialWeights(WeightsUsed(kind="random"), None)
    if spec.weights in ("imagenet", "imagenet-or-random"):
        path = _find_imagenet(
            spec, [keras_models_directory()] if directory is None else [directory, keras_models_directory()]
        )
        if path is None:
            return InitialWeights(WeightsUsed(kind="random"), None, substituted=True)
        return InitialWeights(WeightsUsed(kind="imagenet", file_name=path.name, sha256=sha256_of(path)), path)
    path = Path(spec.weights).expanduser()
    if not path.is_file():
        raise InputError(
            f"model {spec.name}: weights = {spec.weights!r} is no file",
            'Give "imagenet", "imagenet-or-random", "none" or the path of a weights file',
        )
    return _of_file(path)


def token_recipe(spec: ModelSpec) -> Recipe:
    """Return the recipe of a token training."""
    recipe, epochs = spec.recipe, spec.token_training.epochs
    head = recipe.head.model_copy(update={"epochs": epochs})
    fine_tuning = recipe.fine_tuning.model_copy(update={"epochs": 0})
    return recipe.model_copy(update={"head": head, "fine_tuning": fine_tuning, "augmentation": None})


def imagenet_file(backbone: str, directory: Path | None) -> Path | None:
    """Return the ImageNet weights of a backbone at width 1 and 224 px; None where they are not on this machine."""
    try:
        return find_weights(ModelSpec(name="listed", backbone=backbone), directory).path
    except MachineError:
        return None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_file(path: Path) -> InitialWeights:
    return InitialWeights(WeightsUsed(kind="file", file_name=path.name, sha256=sha256_of(path)), path)


def _find_imagenet(spec: ModelSpec, directories: Sequence[Path]) -> Path | None:
    names = weights_file_names(find_backbone(spec.backbone), spec.width, spec.input_size_px)
    for path in (directory / name for name in names for directory in directories):
        if path.is_file():
            return path
    if spec.weights == "imagenet-or-random":
        return None
    raise MachineError(
        f"model {spec.name}: the ImageNet weights of {spec.backbone} are not on this machine, "
        f"and foodbench downloads nothing by itself. Keras' file {' or '.join(names)} is needed",
        f"Put it into {directories[0]} (or name its folder by --weights), or set weights = "
        '"none" to begin with random weights, or "imagenet-or-random" for speed and memory alone',
    )
