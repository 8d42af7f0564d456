"""Judging a Keras file of one's own, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import foodbench
from tiny_training import draw_dataset

from foodbench import imaging
from foodbench.data import Dataset, load_arrays
from foodbench.errors import InputError
from foodbench.progress import Silent
from foodbench.store import Store
from foodbench.training.judging import JudgedModel, evaluate_model, predict_photographs

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return draw_dataset(Store(tmp_path_factory.mktemp("judging")))


def write_model(path: Path, *, classes: int = 11, size_px: int = 32) -> JudgedModel:
    """Write a linear classifier of mean colours."""
    from foodbench.keras_door import keras

    keras.utils.set_random_seed(5)
    image = keras.Input((size_px, size_px, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(classes, activation="softmax")(pooled)).save(path)
    return JudgedModel(path, "own", "zero-to-one")


def test_a_model_of_ones_own_is_judged_by_what_it_answers(tmp_path: Path, dataset: Dataset) -> None:
    model = write_model(tmp_path / "own.keras")
    found = evaluate_model(model, dataset, "evaluation", Silent())
    pixels, labels = load_arrays(dataset, "evaluation", 32)
    paths = tuple(file.path for file in dataset.files["evaluation"])
    answers = predict_photographs(model, paths, progress=Silent())
    assert found.correct == int((answers.argmax(axis=1) == labels).sum())
    assert found.images == len(labels)
    assert np.array_equal(imaging.decode(paths[3].read_bytes(), 32), pixels[3])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"classes": 4}, "answers 4 classes.*has 11"),
        ({"size_px": 0}, r"takes \(None, 7\); it should take square RGB images"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, dataset: Dataset, model: dict[str, int], message: str
) -> None:
    if model.get("size_px") == 0:
        from foodbench.keras_door import keras

        flat = keras.Input((7,))
        keras.Model(flat, keras.layers.Dense(11)(flat)).save(tmp_path / "own.keras")
        judged = JudgedModel(tmp_path / "own.keras", "own", "caffe")
    else:
        judged = write_model(tmp_path / "own.keras", **model)
    with pytest.raises(InputError, match=message):
        evaluate_model(judged, dataset, "evaluation", Silent())


def test_other_classes_and_broken_photographs_are_refused(tmp_path: Path, dataset: Dataset) -> None:
    model = write_model(tmp_path / "own.keras")
    other = JudgedModel(model.path, "own", "zero-to-one", tuple(f"other {n}" for n in range(11)))
    with pytest.raises(InputError, match=r"other 0, other 1.*and 7 more; synthetic images has Bread"):
        evaluate_model(other, dataset, "evaluation", Silent())
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xffno photograph")
    with pytest.raises(InputError, match=r"broken\.jpg is no photograph"):
        predict_photographs(model, (broken,), progress=Silent())
    with pytest.raises(InputError, match=r"cannot read .*gone\.jpg"):
        predict_photographs(model, (tmp_path / "gone.jpg",), progress=Silent())


def test_a_file_whose_scaling_is_not_said_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "own.keras")
    done = foodbench("predict", "own.keras", "x.jpg", cwd=tmp_path)
    assert done.returncode == 2
    assert "--scaling zero-to-one, minus-one-to-one, caffe" in done.stderr
    unknown = foodbench("evaluate", "absent", "--data", "photos", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "there is no model absent" in unknown.stderr
