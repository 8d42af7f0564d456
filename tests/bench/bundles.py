"""The models of the bench, packaged for each runtime by foodbench's own conversions."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foodbench import imaging
from foodbench.data.dataset import FOOD11_CLASSES
from foodbench.errors import MachineError
from foodbench.records.experiments import ModelSpec
from foodbench.records.names import Runtime
from foodbench.serving.bundle import BundleManifest, write_manifest

from .photographs import photograph

__all__ = ["BenchModel", "bundle_for", "make_model"]

CALIBRATION_IMAGES = 20
"""Enough for speed, which is all that is measured here; accuracy is packaging's to measure."""


@dataclass(frozen=True)
class BenchModel:
    """A Keras model on disk."""

    spec: ModelSpec
    keras_path: Path
    mark: str
    """Which weights it has."""


def make_model(backbone: str, directory: Path, weights: Path | None) -> BenchModel:
    """Build a classifier of eleven classes and save it.

    Args:
        backbone: Keras' name of it.
        directory: Where to.
        weights: Folder of Keras' official files; without the file of this backbone its weights are random.
    """
    from foodbench.training.backbones import build_classifier
    from foodbench.training.catalogue import resolve
    from foodbench.training.weights import find_weights

    spec = resolve(ModelSpec(name=backbone.lower(), backbone=backbone))
    try:
        path = find_weights(spec, weights).path
    except MachineError:
        path = None
    keras_path = directory / f"{spec.name}.keras"
    build_classifier(spec, len(FOOD11_CLASSES), path).model.save(keras_path)
    return BenchModel(spec, keras_path, "random weights" if path is None else "ImageNet weights")


def bundle_for(model: BenchModel, runtime: Runtime, test_image: bytes, directory: Path) -> Path:
    """Package ``model`` for ``runtime``.

    Args:
        model: From ``make_model``.
        runtime: What is to serve it.
        test_image: What /test shall predict.
        directory: The bundle's folder is made in it.

    Returns:
        The bundle's folder.
    """
    from foodbench.packaging.conversion import load_model
    from foodbench.packaging.exports import WEIGHTS_FILES, write_weights

    assert model.spec.scaling is not None
    test_image_name = hashlib.sha256(test_image).hexdigest()[:8]
    folder = directory / f"{model.spec.name}.{runtime}.{test_image_name}"
    if folder.exists():
        return folder
    # A conversion that is interrupted leaves no folder that would be taken for a whole one.
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    weights = unfinished / WEIGHTS_FILES[runtime]
    size, scaling = model.spec.input_size_px, model.spec.scaling

    def calibration() -> Iterator[npt.NDArray[np.float32]]:
        for seed in range(CALIBRATION_IMAGES):
            yield imaging.scale(imaging.decode(photograph(size, seed), size)[np.newaxis], scaling)

    write_weights(runtime, load_model(model.keras_path), model.keras_path, weights, calibration)
    (unfinished / "test_image.jpg").write_bytes(test_image)
    manifest = BundleManifest(
        model_name=model.spec.name,
        model_digest="0" * 16,
        runtime=runtime,
        weights_file=weights.name,
        weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        classes=FOOD11_CLASSES,
        input_size_px=size,
        scaling=scaling,
        test_image_file="test_image.jpg",
        marks=(model.mark,),
    )
    write_manifest(unfinished, manifest)
    return unfinished.rename(folder)
