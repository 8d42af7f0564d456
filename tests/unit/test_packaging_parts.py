"""The pure parts of packaging: calibration images, fidelity, the test image, what a bundle's digest is of."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from builders import dataset_record, model_artifact
from data_sets import jpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foodbench.data import Dataset, LabelledFile
from foodbench.packaging.calibration import choose_images
from foodbench.packaging.fidelity import compare
from foodbench.packaging.photograph import write_test_image
from foodbench.packaging.stage import bundle_digest
from foodbench.records.names import Runtime
from foodbench.serving.runtimes import RUNTIME_NAMES


def evaluation_of(*paths: Path) -> Dataset:
    files = tuple(LabelledFile(path, 0) for path in paths)
    return Dataset(dataset_record(), paths[0].parent, {"evaluation": files})


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=80), wanted=st.integers(1, 60))
def test_calibration_takes_from_every_class_alike(labels: list[int], wanted: int) -> None:
    chosen = choose_images(np.array(labels), wanted)
    assert len(set(chosen.tolist())) == len(chosen) == min(wanted, len(labels))
    present = np.bincount(labels, minlength=5)
    taken = np.bincount(np.array(labels)[chosen], minlength=5)
    # A class has fewer than another by two or more only where it has no more to give.
    assert all(taken[i] >= taken.max() - 1 or taken[i] == present[i] for i in range(5))


def test_calibration_images_are_the_same_every_time() -> None:
    labels = np.arange(500) % 7
    assert choose_images(labels, 50).tolist() == choose_images(labels, 50).tolist()


def test_fidelity_tells_agreement_from_accuracy() -> None:
    reference = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]], np.float32)
    answers = np.array([[0.8, 0.2], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]], np.float32)
    found = compare(reference, answers, np.array([0, 1, 1, 1]))
    assert found.images == 4
    assert found.agreement == 0.75
    assert found.accuracy == 0.75
    assert found.largest_probability_difference == pytest.approx(0.2)
    assert found.accuracy_low < 0.75 < found.accuracy_high
    assert (found.gained, found.lost) == (1, 0)


def test_the_test_image_is_a_photograph_byte_for_byte(tmp_path: Path) -> None:
    webp, photograph = tmp_path / "0_0.jpg", tmp_path / "0_1.jpeg"
    webp.write_bytes(jpeg(1, image_format="WEBP"))
    photograph.write_bytes(jpeg(2))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    assert write_test_image(evaluation_of(webp, photograph), bundle, 8) == "test_image.jpg"
    assert (bundle / "test_image.jpg").read_bytes() == photograph.read_bytes()


def test_without_jpeg_or_png_the_test_image_is_drawn_anew(tmp_path: Path) -> None:
    webp = tmp_path / "0_0.webp"
    webp.write_bytes(jpeg(1, image_format="WEBP"))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    name = write_test_image(evaluation_of(webp), bundle, 8)
    with Image.open(bundle / name) as image:
        assert (image.format, image.size) == ("PNG", (8, 8))


def test_a_bundle_is_known_by_the_model_file_and_the_runtime() -> None:
    model = model_artifact()
    retrained = model.model_copy(update={"keras_file_sha256": "0" * 64})
    digests = {bundle_digest(model, "litert"), bundle_digest(model, "litert-int8"), bundle_digest(retrained, "litert")}
    assert len(digests) == 3
    assert bundle_digest(model, "litert") in digests


def test_whatever_can_be_asked_for_can_be_packaged_and_served() -> None:
    assert set(get_args(Runtime)) == set(RUNTIME_NAMES)
