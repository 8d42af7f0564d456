"""A Keras file of the user's own through the whole chain: trained or taken, packaged, judged, reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import foodbench
from own_models import own_spec, write_base, write_classifier
from tiny_training import Heard, draw_dataset, tiny_recipe

from foodbench.data import Dataset, load_arrays
from foodbench.packaging import package
from foodbench.progress import Silent
from foodbench.records.experiments import FineTuning, HeadTraining, ModelSpec
from foodbench.records.models import ModelArtifact
from foodbench.report.models import models_summary
from foodbench.store import Store
from foodbench.training import train
from foodbench.training.judging import JudgedModel, evaluate_model
from foodbench.training.weights import sha256_of

pytestmark = [pytest.mark.tensorflow, pytest.mark.processes]

RECIPE = tiny_recipe(
    head=HeadTraining(epochs=2, learning_rate=1e-2),
    fine_tuning=FineTuning(epochs=2, learning_rate=1e-2, unfrozen_layers=2),
)


def trained(store: Store, spec: ModelSpec, progress: Heard | None = None) -> ModelArtifact:
    return train(spec, draw_dataset(store), store, weights_directory=None, progress=progress or Silent())


def stored_file(store: Store, artifact: ModelArtifact) -> Path:
    return store.model_directory(artifact.digest) / artifact.keras_file


def check_packaged(store: Store, dataset: Dataset, artifact: ModelArtifact) -> None:
    """Package for LiteRT, and compare with what ``evaluate`` finds."""
    bundle = package(artifact, "litert", dataset, store, progress=Silent())
    assert bundle.fidelity.agreement == 1.0
    judged = JudgedModel(stored_file(store, artifact), "own", "zero-to-one", dataset.record.classes)
    assert evaluate_model(judged, dataset, "evaluation", Silent()) == artifact.evaluation


@pytest.mark.parametrize("nested", [False, True])
def test_a_base_is_trained_by_the_recipe_from_its_own_weights(store: Store, tmp_path: Path, *, nested: bool) -> None:
    from foodbench.keras_door import keras
    from foodbench.training.own_models import innermost_layers

    path = write_base(tmp_path / "mine.keras", pooled=False, nested=nested)
    artifact = trained(store, own_spec(path, recipe=RECIPE))
    assert artifact.head_phase_trained == "head"
    assert [epoch.phase for epoch in artifact.epochs] == ["head", "head", "fine-tuning", "fine-tuning"]
    assert artifact.marks == ("synthetic images", "base from mine.keras")
    assert (artifact.weights.kind, artifact.weights.sha256) == ("file", sha256_of(path))
    assert artifact.spec.backbone == "mine.keras"
    assert artifact.base_parameters.total == 350
    assert artifact.model_parameters == 350 + 7 * 11

    def weights(file: Path) -> dict[str, list[np.ndarray]]:
        layers = innermost_layers(keras.models.load_model(file, compile=False).layers)
        return {layer.name: layer.get_weights() for layer in layers if layer.get_weights()}

    before, after = weights(path), weights(stored_file(store, artifact))
    assert after.keys() - before.keys() == {"classes"}
    for name in ("first", "norm"):
        assert all(map(np.array_equal, before[name], after[name]))
    check_packaged(store, draw_dataset(store), artifact)


def test_fine_tuning_begins_with_the_files_weights_and_changes_its_last_layers(store: Store, tmp_path: Path) -> None:
    from foodbench.training.backbones import Classifier, take_own_file, unfreeze_last

    path = write_base(tmp_path / "mine.keras", nested=True)
    classifier = take_own_file(own_spec(path), 11, path)
    assert isinstance(classifier, Classifier)
    unfreeze_last(classifier, 3)
    last = next(layer for layer in classifier.layers if layer.name == "last")
    first = next(layer for layer in classifier.layers if layer.name == "first")
    begun = [last.get_weights(), first.get_weights()]
    pixels, labels = load_arrays(draw_dataset(store), "training", 32)
    classifier.model.compile("sgd", "sparse_categorical_crossentropy")
    classifier.model.fit(pixels / 255.0, labels, verbose=0)
    assert not np.array_equal(begun[0][0], last.get_weights()[0])
    assert np.array_equal(begun[1][0], first.get_weights()[0])


def test_a_classifier_goes_on_to_packaging_without_training(store: Store, tmp_path: Path) -> None:
    from foodbench.keras_door import keras, outputs

    path = write_classifier(tmp_path / "mine.keras")
    progress = Heard()
    artifact = trained(store, own_spec(path), progress)
    assert (artifact.epochs, artifact.validation_accuracy_head, artifact.head_phase_trained) == ((), None, "nothing")
    assert artifact.marks == ("synthetic images", "mine.keras as it is, trained elsewhere")
    assert artifact.base_parameters.total == artifact.model_parameters == 224 + 9 * 11
    assert "tiny: mine.keras is a classifier of these classes already. It is taken as it is" in progress.lines
    dataset = draw_dataset(store)
    pixels, labels = load_arrays(dataset, "evaluation", 32)
    given = outputs(keras.models.load_model(path, compile=False), pixels, "zero-to-one")
    assert artifact.evaluation.correct == int((given.argmax(axis=1) == labels).sum())
    assert stored_file(store, artifact).stat().st_size < path.stat().st_size
    check_packaged(store, dataset, artifact)
    rows = {row.label: row.cells[0].text for section in models_summary([artifact]).sections for row in section.rows}
    assert rows["Backbone"] == "mine.keras"
    assert rows["Initial weights"] == "file"
    assert rows["Trained"] == "nothing, taken as it is"
    assert {rows[name] for name in ("Epochs", "Optimiser, learning rate", "Batch size", "Draws", "Rotation")} == {
        "none"
    }


def test_a_model_is_known_by_what_is_in_its_file_and_not_by_where_it_lies(store: Store, tmp_path: Path) -> None:
    first = trained(store, own_spec(write_classifier(tmp_path / "mine.keras")))
    shutil.copyfile(tmp_path / "mine.keras", tmp_path / "copied.keras")
    progress = Heard()
    assert trained(store, own_spec(tmp_path / "copied.keras"), progress) == first
    assert not progress.lines
    write_base(tmp_path / "mine.keras")
    assert trained(store, own_spec(tmp_path / "mine.keras")).digest != first.digest


EXPERIMENT = """
name = "own"
recipe = { augmentation = "none" }
[data.synthetic]
image_size_px = 32
training_images_per_class = 4
validation_images_per_class = 2
evaluation_images_per_class = 2

[[models]]
name = "mine"
backbone = "files/[b]mine.keras"
input_size_px = 32
scaling = "zero-to-one"

[[variants]]
"""


def test_the_commands_take_a_file_by_a_path_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    write_classifier(tmp_path / "files" / "[b]mine.keras")
    (tmp_path / "own.toml").write_text(EXPERIMENT)
    done = foodbench("train", "-e", "own.toml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"head_phase_trained": "nothing"' in done.stdout
    shown = foodbench("train", "-e", "own.toml", cwd=tmp_path)
    assert "[b]mine.keras" in "".join(shown.stdout.split())
    (tmp_path / "files" / "[b]mine.keras").write_bytes(b"no archive")
    refused = foodbench("train", "-e", "own.toml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "is no Keras file" in " ".join(refused.stderr.split())
