"""The packaging stage: from a stored model to a bundle that the service can serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foodbench.data.arrays import load_arrays
from foodbench.data.dataset import Dataset
from foodbench.errors import InputError, MachineError, RunFailed
from foodbench.imaging import Scaling, scale
from foodbench.packaging.calibration import CALIBRATION_IMAGES, choose_images
from foodbench.packaging.fidelity import compare
from foodbench.packaging.measurement import measure_bundle
from foodbench.packaging.photograph import write_test_image
from foodbench.progress import Progress
from foodbench.provenance import read_provenance
from foodbench.records.base import digest_of
from foodbench.records.bundles import ServingBundle
from foodbench.records.models import ModelArtifact
from foodbench.records.names import Runtime
from foodbench.serving.bundle import BundleManifest, sha256_of, write_manifest
from foodbench.store import Store

__all__ = ["bundle_digest", "package"]

PACKAGING_VERSION = 3
"""Part of every digest. Raised when the same model begins to give another bundle."""


def package(
    artifact: ModelArtifact, runtime: Runtime, dataset: Dataset, store: Store, *, progress: Progress
) -> ServingBundle:
    """Package a model for a runtime and store the bundle, or return it at once where the store has it.

    Its answers on the evaluation split are compared with the Keras model's, computed by the very
    code that will serve it, in processes that hold nothing else; those also give its costs.

    Args:
        artifact: A stored model.
        runtime: What is to compute its predictions.
        dataset: The one it was trained on; an integer model is calibrated on its training split.
        store: Holds the model, and gets the bundle.
        progress: Told how far it is.

    Raises:
        InputError: The model was trained on another data set.
        MachineError: A package is not on this machine, or the disk is full.
        RunFailed: The runtime cannot take this model, or the stored model is damaged.
    """
    if dataset.record.digest != artifact.dataset.digest:
        raise InputError(
            f"model {artifact.spec.name} was trained on another data set ({artifact.dataset.label})",
            f"Give that one instead of {dataset.record.label}, or train again",
        )
    digest = bundle_digest(artifact, runtime)
    stored = store.find_bundle(digest)
    if stored is not None:
        return stored
    if artifact.token_training_images is not None:
        dataset = dataset.reduced(artifact.spec.token_training.images_per_class)
    try:
        with store.fresh_directory(store.bundle_directory(digest)) as directory:
            bundle = _package_into(directory, digest, artifact, runtime, dataset, store, progress)
    except OSError as error:
        raise MachineError(
            f"cannot write the bundle: {error.strerror or error}",
            "Free some disk space, or choose another folder with --results",
        ) from error
    store.save_bundle(bundle)
    return bundle


def bundle_digest(artifact: ModelArtifact, runtime: Runtime) -> str:
    """Return the digest of what a bundle is made from."""
    return digest_of(PACKAGING_VERSION, artifact.digest, artifact.keras_file_sha256, runtime, CALIBRATION_IMAGES)


def _package_into(
    directory: Path,
    digest: str,
    artifact: ModelArtifact,
    runtime: Runtime,
    dataset: Dataset,
    store: Store,
    progress: Progress,
) -> ServingBundle:
    from foodbench.packaging.conversion import load_model
    from foodbench.packaging.exports import WEIGHTS_FILES, write_weights

    description = f"Packaging {artifact.spec.name} for {runtime}"
    progress.say(description)
    keras_path = store.model_directory(artifact.digest) / artifact.keras_file
    model = load_model(keras_path)
    weights = directory / WEIGHTS_FILES[runtime]
    write_weights(runtime, model, keras_path, weights, lambda: _calibration(artifact, dataset))
    manifest = BundleManifest(
        model_name=artifact.spec.name,
        model_digest=artifact.digest,
        runtime=runtime,
        weights_file=weights.name,
        weights_sha256=sha256_of(weights),
        classes=artifact.dataset.classes,
        input_size_px=artifact.spec.input_size_px,
        scaling=_scaling(artifact),
        test_image_file=write_test_image(dataset, directory, artifact.spec.input_size_px),
        marks=artifact.marks,
    )
    write_manifest(directory, manifest)
    pixels, labels = load_arrays(dataset, "evaluation", manifest.input_size_px)
    reference = _keras_answers(model, pixels, manifest, progress)
    progress.say(f"Measuring {artifact.spec.name} for {runtime} in processes of its own")
    measured = measure_bundle(directory, pixels)
    return ServingBundle(
        digest=digest,
        model_digest=artifact.digest,
        model_name=artifact.spec.name,
        runtime=runtime,
        precision=measured.precision,
        weights_file=weights.name,
        weights_sha256=manifest.weights_sha256,
        weights_bytes=weights.stat().st_size,
        disk_bytes=sum(path.stat().st_size for path in directory.iterdir()),
        fidelity=compare(reference, measured.answers, labels),
        latency_ms=measured.latency_ms,
        cost=measured.cost,
        provenance=read_provenance(),
    )


def _calibration(artifact: ModelArtifact, dataset: Dataset) -> Iterator[npt.NDArray[np.float32]]:
    pixels, labels = load_arrays(dataset, "training", artifact.spec.input_size_px)
    for image in pixels[choose_images(labels)]:
        yield scale(image[None], _scaling(artifact))


def _keras_answers(
    model: object, pixels: npt.NDArray[np.uint8], manifest: BundleManifest, progress: Progress
) -> npt.NDArray[np.float32]:
    from foodbench.keras_door import outputs

    description = f"Answers of {manifest.model_name} in Keras"
    return outputs(model, pixels, manifest.scaling, heard=lambda done: progress.step(description, done, len(pixels)))


def _scaling(artifact: ModelArtifact) -> Scaling:
    if artifact.spec.scaling is None:
        raise RunFailed(f"the record of model {artifact.spec.name} lacks its scaling", "Train it again")
    return artifact.spec.scaling
