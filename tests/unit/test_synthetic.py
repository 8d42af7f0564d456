"""The synthetic set is drawn alike every time, and holds something to learn."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foodbench import imaging
from foodbench.data.cues import SHAPES, TEXTURES
from foodbench.data.synthetic import DISHES, draw
from foodbench.progress import Silent
from foodbench.records.experiments import SyntheticData

SMALL = SyntheticData(
    seed=3, image_size_px=32, training_images_per_class=3, validation_images_per_class=1, evaluation_images_per_class=2
)


def drawn(directory: Path, spec: SyntheticData) -> dict[str, str]:
    directory.mkdir()
    draw(spec, directory, Silent())
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*.jpg"))
    }


def test_food_11_s_layout_and_the_numbers_asked_for(tmp_path: Path) -> None:
    names = set(drawn(tmp_path / "set", SMALL))
    numbers = {"training": 3, "validation": 1, "evaluation": 2}
    assert names == {f"{split}/{k}_{n}.jpg" for split, each in numbers.items() for k in range(11) for n in range(each)}


def test_equal_values_draw_equal_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first = drawn(tmp_path / "first", SMALL)
    assert drawn(tmp_path / "second", SMALL) == first
    other = drawn(tmp_path / "other", SMALL.model_copy(update={"seed": 4}))
    assert not set(first.values()) & set(other.values())


def test_no_image_is_drawn_twice(tmp_path: Path) -> None:
    files = drawn(tmp_path / "set", SMALL)
    assert len(set(files.values())) == len(files)


def test_more_images_leave_those_before_as_they_were(tmp_path: Path) -> None:
    few = drawn(tmp_path / "few", SMALL)
    many = drawn(tmp_path / "many", SMALL.model_copy(update={"training_images_per_class": 5}))
    assert few.items() <= many.items()


def test_a_negative_seed_is_one_too(tmp_path: Path) -> None:
    assert len(drawn(tmp_path / "set", SMALL.model_copy(update={"seed": -1}))) == 66


def test_no_two_classes_share_all_cues_and_some_share_one() -> None:
    assert len(DISHES) == 11
    assert len(set(DISHES)) == 11
    assert len({dish.shape for dish in DISHES}) < 11
    assert len({dish.texture for dish in DISHES}) < 11


def features(directory: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of each channel: what the dullest of models could see."""
    paths = sorted((directory / split).glob("*.jpg"))
    pixels = np.stack([imaging.decode(path.read_bytes(), 32) for path in paths]).astype(float)
    labels = np.array([int(path.name.split("_")[0]) for path in paths])
    return np.concatenate(
        [pixels.mean((1, 2)), pixels.std((1, 2)), pixels[:, 10:22, 10:22].mean((1, 2))], axis=1
    ), labels


def test_colour_alone_tells_part_of_the_classes(tmp_path: Path) -> None:
    spec = SMALL.model_copy(update={"training_images_per_class": 40, "evaluation_images_per_class": 20})
    drawn(tmp_path / "set", spec)
    (known, classes), (asked, truth) = features(tmp_path / "set", "training"), features(tmp_path / "set", "evaluation")
    middle, spread = known.mean(0), known.std(0)
    design = np.c_[(known - middle) / spread, np.ones(len(known))]
    weights = np.linalg.lstsq(design, np.eye(11)[classes], rcond=None)[0]
    answers = (np.c_[(asked - middle) / spread, np.ones(len(asked))] @ weights).argmax(1)
    assert 0.3 < (answers == truth).mean() < 0.8


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(SHAPES)), st.sampled_from([16, 31, 96]), st.integers(0, 2**32))
def test_a_shape_is_a_mask_with_something_in_it(name: str, size_px: int, seed: int) -> None:
    mask = SHAPES[name](np.random.default_rng(seed), size_px)
    assert mask.shape == (size_px, size_px)
    assert mask.min() >= 0
    assert 0 < mask.mean() < 1
    assert mask.max() <= 1


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(TEXTURES)), st.sampled_from([16, 31, 96]), st.integers(0, 2**32))
def test_a_texture_is_a_finite_field_in_single_precision(name: str, size_px: int, seed: int) -> None:
    field = TEXTURES[name](np.random.default_rng(seed), size_px)
    assert field.shape == (size_px, size_px)
    assert field.dtype == np.float32
    assert np.isfinite(field).all()
    assert np.ptp(field) > 0


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        draw(SMALL, tmp_path / "nowhere", Silent())
