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
from foodbench.packaging.latency import measure_latency_ms
from foodbench.packaging.photograph import write_test_image
from foodbench.progress import Progress
from foodbench.provenance import read_provenance, usable_cores
from foodbench.records.base import digest_of
from foodbench.records.bundles import Fidelity, ServingBundle
from foodbench.records.models import ModelArtifact
from foodbench.records.names import Runtime
from foodbench.serving.bundle import BundleError, BundleManifest, sha256_of, write_manifest
from foodbench.serving.runtimes import Runtime as ServedRuntime
from foodbench.serving.runtimes import RuntimeUnavailable, create_runtime
from foodbench.store import Store

__all__ = ["bundle_digest", "package"]

PACKAGING_VERSION = 1
"""Part of every digest. Raised when the same model begins to give another bundle."""

IMAGES_AT_ONCE = 32


def package(
    artifact: ModelArtifact, runtime: Runtime, dataset: Dataset, store: Store, *, progress: Progress
) -> ServingBundle:
    """Package a model for a runtime and store the bundle, or return it at once where the store has it.

    Its answers on the evaluation split are compared with the Keras model's, computed by the very
    code that will serve it.

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
    served = _served(manifest, directory)
    fidelity = _measure_fidelity(model, served, manifest, dataset, progress)
    return ServingBundle(
        digest=digest,
        model_digest=artifact.digest,
        model_name=artifact.spec.name,
        runtime=runtime,
        precision=served.description.precision,
        weights_file=weights.name,
        weights_sha256=manifest.weights_sha256,
        weights_bytes=weights.stat().st_size,
        disk_bytes=sum(path.stat().st_size for path in directory.iterdir()),
        fidelity=fidelity,
        latency_ms=measure_latency_ms(directory),
        provenance=read_provenance(),
    )


def _calibration(artifact: ModelArtifact, dataset: Dataset) -> Iterator[npt.NDArray[np.float32]]:
    pixels, labels = load_arrays(dataset, "training", artifact.spec.input_size_px)
    for image in pixels[choose_images(labels)]:
        yield scale(image[None], _scaling(artifact))


def _served(manifest: BundleManifest, directory: Path) -> ServedRuntime:
    from foodbench.keras_door import quietly

    try:
        with quietly():
            return create_runtime(manifest, directory, usable_cores())
    except RuntimeUnavailable as error:
        raise MachineError(str(error).rstrip(".")) from error
    except BundleError as error:
        raise RunFailed(f"the packaged model cannot be served: {str(error).rstrip('.')}") from error


def _measure_fidelity(
    model: object, served: ServedRuntime, manifest: BundleManifest, dataset: Dataset, progress: Progress
) -> Fidelity:
    from foodbench.keras_door import outputs

    pixels, labels = load_arrays(dataset, "evaluation", manifest.input_size_px)
    description = f"Comparing {manifest.model_name} for {manifest.runtime} with Keras"
    reference = outputs(
        model,
        pixels,
        manifest.scaling,
        heard=lambda done: progress.step(description, done, 2 * len(pixels)),
    )
    answers = []
    for start in range(0, len(pixels), IMAGES_AT_ONCE):
        answers.append(served.predict(pixels[start : start + IMAGES_AT_ONCE]))
        progress.step(description, len(pixels) + min(start + IMAGES_AT_ONCE, len(pixels)), 2 * len(pixels))
    return compare(reference, np.concatenate(answers), labels)


def _scaling(artifact: ModelArtifact) -> Scaling:
    if artifact.spec.scaling is None:
        raise RunFailed(f"the record of model {artifact.spec.name} lacks its scaling", "Train it again")
    return artifact.spec.scaling
