"""The training stage: from a specification and a data set to a stored model."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from foodbench.data.dataset import Dataset
from foodbench.errors import MachineError
from foodbench.progress import Progress
from foodbench.provenance import forget_peak_memory, peak_memory_bytes, read_provenance
from foodbench.records.base import digest_of
from foodbench.records.datasets import Split
from foodbench.records.experiments import ModelSpec
from foodbench.records.models import Evaluation, ModelArtifact, PartTrained
from foodbench.store import Store
from foodbench.training.catalogue import resolve, scaling_of
from foodbench.training.weights import InitialWeights, find_weights, sha256_of, token_recipe

if TYPE_CHECKING:
    from foodbench.training.backbones import Classifier, TrainedClassifier
    from foodbench.training.batches import Examples
    from foodbench.training.recipe import TrainedPhases

__all__ = ["model_digest", "scaled_splits", "train"]

TRAINING_VERSION = 3
"""Part of every digest. Raised when the same specification begins to give another model."""

KERAS_FILE = "model.keras"


def train(
    spec: ModelSpec, dataset: Dataset, store: Store, *, weights_directory: Path | None, progress: Progress
) -> ModelArtifact:
    """Train a model and store it, or return it at once where the store has it.

    The stored Keras model takes float32 images that are scaled already (``imaging.scale``), (n, size,
    size, 3), and answers class probabilities, (n, classes). With ``weights = "none"`` the head phase
    trains the whole model; the artifact says so (``head_phase_trained``), and its marks say that the
    initial weights were random. With ``"imagenet-or-random"`` and no weights at hand, the token training
    takes the place of the recipe, on a part of the data set; the marks say that too. A file of the user's
    own is the base that the recipe trains, or, where it is a classifier already, is taken as it is.

    Where TensorFlow sees several GPUs, they share every batch. So do the machines that
    TF_CONFIG names: each is given the same command, and stores the same model. Frozen layers are computed by one GPU,
    and on each machine anew.

    Args:
        spec: The model and its recipe. Equal seeds give equal models on one machine.
        dataset: Trained on its training split, stopped by its validation split, judged on its evaluation split.
        store: Where the model goes.
        weights_directory: Folder of Keras' official weights files, looked into before Keras' own. Nothing
            is ever downloaded.
        progress: Told of every batch.

    Raises:
        InputError: The specification names no backbone, or one that cannot be built so, or a weights
            file that does not fit it; or its backbone is a file that fits neither use; or the machines of
            TF_CONFIG do not train the same.
        MachineError: TensorFlow or the ImageNet weights are not on this machine, TF_CONFIG cannot be used, another
            of its machines is lost, or the disk is full.
        RunFailed: Training diverged.
    """
    spec = resolve(spec)
    weights = find_weights(spec, weights_directory)
    if weights.substituted:
        spec = spec.model_copy(update={"recipe": token_recipe(spec)})
        dataset = dataset.reduced(spec.token_training.images_per_class)
    elif spec.has_own_file:
        # Where it lies says nothing about what it is.
        spec = spec.model_copy(update={"backbone": weights.used.file_name})
    digest = model_digest(spec, dataset, weights)
    stored = store.find_model(digest)
    if stored is not None:
        return stored
    return _train_anew(spec, dataset, store, weights, digest, progress)


def model_digest(spec: ModelSpec, dataset: Dataset, weights: InitialWeights) -> str:
    """Return the digest of what a model is made from.

    The name counts: a record carries it into every table. The path of the weights, or of a file that is the
    backbone, does not, their content does.
    """
    content = weights.used.sha256 or weights.used.kind
    anywhere = spec.model_copy(
        update={"weights": weights.used.kind, "backbone": "file" if spec.has_own_file else spec.backbone}
    )
    return digest_of(TRAINING_VERSION, anywhere, dataset.record.digest, *dataset.record.classes, content)


def _train_anew(
    spec: ModelSpec, dataset: Dataset, store: Store, weights: InitialWeights, digest: str, progress: Progress
) -> ModelArtifact:
    if weights.substituted:
        progress.say(
            f"{spec.name}: the ImageNet weights of {spec.backbone} are not at hand. It gets random ones and a token "
            f"training on {len(dataset.files['training'])} images: its speed and memory will be right, its accuracy not"
        )
    progress.say(f"Training {spec.name}: TensorFlow is being started")
    from foodbench.keras_door import keras
    from foodbench.training.backbones import TrainedClassifier, count_parameters
    from foodbench.training.distribution import choose_strategy, machines_that_train, refuse_different_work

    forget_peak_memory()
    machines = machines_that_train()
    if machines > 1:
        progress.say(f"{spec.name}: begins when this command has been given on all {machines} machines of TF_CONFIG")
    strategy = choose_strategy()
    refuse_different_work(strategy, digest)
    keras.utils.set_random_seed(spec.recipe.seed)
    with strategy.scope():
        classifier = _build(spec, len(dataset.record.classes), weights.path)
    replicas = strategy.num_replicas_in_sync
    base_parameters = count_parameters(classifier.base)
    trained: PartTrained = "whole-model" if weights.path is None else "head"
    if isinstance(classifier, TrainedClassifier):
        trained = "nothing"
        progress.say(f"{spec.name}: {spec.backbone} is a classifier of these classes already. It is taken as it is")
    elif replicas > 1:
        several = f"{replicas} GPUs" if machines == 1 else f"{machines} machines, {replicas} replicas in all,"
        progress.say(f"{spec.name}: {several} share every batch")
    images = scaled_splits(spec, dataset, store, progress)
    began_s = time.monotonic()
    # What training keeps to go on from stays until the model is stored: whatever fails after it costs no epoch.
    with store.unfinished_directory(store.model_directory(digest)) as unfinished:
        phases = _phases_of(classifier, spec, images, trained, unfinished, progress)
        duration_s = time.monotonic() - began_s
        evaluation = _evaluate(classifier, spec, images("evaluation"), progress)
        with store.fresh_directory(store.model_directory(digest)) as directory:
            path = directory / KERAS_FILE
            _save(classifier, path)
            keras_file_sha256, keras_file_bytes = sha256_of(path), path.stat().st_size
    artifact = ModelArtifact(
        digest=digest,
        spec=spec,
        dataset=dataset.record,
        weights=weights.used,
        base_parameters=base_parameters,
        model_parameters=classifier.model.count_params(),
        head_phase_trained=trained,
        epochs=phases.epochs,
        validation_accuracy_head=phases.validation_accuracy_head,
        validation_accuracy_fine_tuned=phases.validation_accuracy_fine_tuned,
        evaluation=evaluation,
        keras_file=KERAS_FILE,
        keras_file_sha256=keras_file_sha256,
        keras_file_bytes=keras_file_bytes,
        training_duration_s=duration_s,
        peak_memory_bytes=peak_memory_bytes(),
        replicas_in_training=replicas,
        token_training_images=len(dataset.files["training"]) if weights.substituted else None,
        provenance=read_provenance(),
    )
    store.save_model(artifact)
    return artifact


def _build(spec: ModelSpec, classes: int, weights: Path | None) -> Classifier | TrainedClassifier:
    from foodbench.training.backbones import build_classifier, take_own_file

    if spec.has_own_file and weights is not None:
        return take_own_file(spec, classes, weights)
    return build_classifier(spec, classes, weights)


def _phases_of(
    classifier: Classifier | TrainedClassifier,
    spec: ModelSpec,
    images: Callable[[Split], Examples],
    trained: PartTrained,
    directory: Path,
    progress: Progress,
) -> TrainedPhases:
    from foodbench.training.backbones import TrainedClassifier
    from foodbench.training.recipe import NOTHING_TRAINED, follow_recipe

    if isinstance(classifier, TrainedClassifier):
        return NOTHING_TRAINED
    return follow_recipe(
        classifier,
        spec,
        images("training"),
        images("validation"),
        whole_model=trained == "whole-model",
        directory=directory,
        progress=progress,
    )


def scaled_splits(spec: ModelSpec, dataset: Dataset, store: Store, progress: Progress) -> Callable[[Split], Examples]:
    """Return what gives a split's images as ``spec`` (resolved) takes them, decoded when they are first asked for."""
    from foodbench.data.arrays import load_arrays
    from foodbench.training.batches import scaled_images

    cache = store.arrays_directory(dataset.record.digest)

    def load(split: Split) -> Examples:
        pixels, labels = load_arrays(dataset, split, spec.input_size_px, cache=cache, progress=progress)
        return scaled_images(pixels, labels, scaling_of(spec))

    return load


def _evaluate(
    classifier: Classifier | TrainedClassifier, spec: ModelSpec, examples: Examples, progress: Progress
) -> Evaluation:
    from foodbench.keras_door import outputs
    from foodbench.training.evaluation import evaluate

    description = f"Evaluating {spec.name}"
    probabilities = outputs(
        classifier.model,
        examples.values,
        scaling_of(spec),
        heard=lambda done: progress.step(description, done, len(examples)),
    )
    return evaluate(probabilities, examples.labels, "evaluation")


def _save(classifier: Classifier | TrainedClassifier, path: Path) -> None:
    from foodbench.keras_door import keras

    # A model that was never compiled has no optimiser to be saved with it.
    bare = keras.Model(classifier.model.inputs, classifier.model.outputs, name="classifier")
    try:
        bare.save(path)
    except OSError as error:
        raise MachineError(
            f"cannot write the trained model: {error.strerror or error}",
            "Free some disk space, or choose another folder with --results",
        ) from error
