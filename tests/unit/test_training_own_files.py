"""Keras files of the user's own, refused before TensorFlow is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from own_models import own_spec, write_nothing_inside
from tiny_training import tiny_spec

from foodbench.errors import InputError
from foodbench.experiment import read_experiment
from foodbench.records.experiments import Experiment, ModelSpec
from foodbench.training import own_files
from foodbench.training.catalogue import find_backbone, resolve
from foodbench.training.weights import find_weights, sha256_of

WHOLE = ("config.json", "metadata.json", "model.weights.h5")

EXPERIMENT = """
name = "own"
data = { path = "photos" }

[[models]]
name = "mine"
backbone = "~/models/mine.keras"
input_size_px = 32
scaling = "zero-to-one"

[[variants]]
"""


def test_a_file_in_an_experiment_brings_its_weights_and_stays_so_in_a_record(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(EXPERIMENT)
    experiment = read_experiment(path)
    (spec,) = experiment.models
    assert (spec.has_own_file, spec.weights) == (True, "file")
    again = Experiment.model_validate_json(experiment.model_dump_json())
    assert resolve(again.models[0]) == spec


def test_a_named_backbone_still_begins_with_imagenets_weights() -> None:
    spec = ModelSpec(name="a", backbone="VGG16")
    assert (spec.has_own_file, spec.weights) == (False, "imagenet")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scaling": None}, r"scaling is missing\. Set scaling to zero-to-one, minus-one-to-one, caffe"),
        ({"width": 0.5}, r"width is what it is\. Received: 0\.5\. Leave width out"),
        ({"weights": "imagenet"}, r"weights of its own\. Received: weights = 'imagenet'\. Leave weights out"),
    ],
)
def test_what_a_file_has_no_use_for_and_what_it_lacks_is_said(changed: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"model tiny: .*mine.keras.*{message}"):
        resolve(own_spec("mine.keras", **changed))


def test_a_path_that_is_no_keras_file_is_no_backbone_and_told_of_them() -> None:
    with pytest.raises(InputError, match=r"no backbone models/mine\.h5.*the path of a \.keras file"):
        find_backbone("models/mine.h5")


def test_paths_are_of_the_working_directory_and_of_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here):
        folder.mkdir()
        write_nothing_inside(folder / "mine.keras", *WHOLE, folder.name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    for backbone, folder in (("mine.keras", here), ("~/mine.keras", home)):
        found = find_weights(own_spec(backbone), None)
        assert found.used.model_dump() == {
            "kind": "file",
            "file_name": "mine.keras",
            "sha256": sha256_of(folder / "mine.keras"),
        }


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"model tiny: backbone = 'gone\.keras' is no file in {tmp_path}\. Give the"):
        find_weights(own_spec("gone.keras"), None)
    with pytest.raises(InputError, match=r"backbone = '/gone\.keras' is no file\."):
        find_weights(own_spec("/gone.keras"), None)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (None, "is no Keras file: it is no zip archive"),
        (("config.json",), r"is no Keras file: it has no model\.weights\.h5 in it"),
        (("model.weights.h5",), r"is no Keras file: it has no config\.json in it"),
    ],
)
def test_what_is_no_keras_file_is_refused(tmp_path: Path, members: tuple[str, ...] | None, message: str) -> None:
    path = tmp_path / "mine.keras"
    if members is None:
        path.write_bytes(b"\x89HDF\r\n\x1a\n")
    else:
        write_nothing_inside(path, *members)
    with pytest.raises(InputError, match=rf"mine\.keras {message}\. Write one"):
        find_weights(own_spec(path), None)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nothing_inside(tmp_path / "mine.keras", *WHOLE)
    find_weights(own_spec(path), None)
    monkeypatch.setattr(own_files, "LARGEST_CONFIG_BYTES", 1)
    with pytest.raises(InputError, match=r"unpacks to 6 bytes, 2 of them config\.json"):
        find_weights(own_spec(path), None)
    monkeypatch.undo()
    monkeypatch.setattr(own_files, "LARGEST_UNPACKED_BYTES", 5)
    with pytest.raises(InputError, match="unpacks to 6 bytes"):
        find_weights(own_spec(path), None)


def test_a_named_backbone_is_not_looked_for_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MobileNetV2").write_bytes(b"")
    assert find_weights(resolve(tiny_spec()), None).used.kind == "random"


def test_no_tensorflow_is_needed_for_any_of_this() -> None:
    code = "import sys, foodbench.training.weights; print('keras' in sys.modules or 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
