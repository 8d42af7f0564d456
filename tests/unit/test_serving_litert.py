"""The LiteRT runtime, with real models of both kinds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import COLOURS, make_bundle, tiny_model

from foodbench import imaging
from foodbench.serving.bundle import BundleError
from foodbench.serving.runtimes import RuntimeUnavailable, create_runtime
from foodbench.serving.runtimes.litert import Quantisation

SIZE_PX = 8


def every_colour() -> npt.NDArray[np.uint8]:
    """Return one image of each class, in the order of the classes."""
    return np.array([np.full((SIZE_PX, SIZE_PX, 3), colour) for colour in COLOURS.values()], np.uint8)


@pytest.mark.parametrize(("name", "precision"), [("litert", "float32"), ("litert-int8", "int8")])
def test_each_image_of_a_batch_gets_its_own_answer(tmp_path: Path, name: str, precision: str) -> None:
    runtime = create_runtime(make_bundle(tmp_path, runtime=name), tmp_path, threads=1)
    probabilities = runtime.predict(every_colour())
    assert probabilities.dtype == np.float32
    assert probabilities.argmax(axis=1).tolist() == list(range(len(COLOURS)))
    # int8 answers in steps of 1/256, each class rounded for itself.
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=len(COLOURS) / 512)
    assert (runtime.description.name, runtime.description.precision) == ("litert", precision)
    assert runtime.description.threads == 1


def test_both_kinds_of_model_agree(tmp_path: Path) -> None:
    real, integer = (
        create_runtime(make_bundle(tmp_path / name, runtime=name), tmp_path / name, 1)
        for name in ("litert", "litert-int8")
    )
    images = np.random.default_rng(3).integers(0, 256, (20, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    # Logits are kept in steps of 0.5 by the integer model, so a probability moves by 1/16 a rounding at most.
    np.testing.assert_allclose(integer.predict(images), real.predict(images), atol=0.13)


def test_a_twin_answers_the_same_and_keeps_its_own_state(tmp_path: Path) -> None:
    runtime = create_runtime(make_bundle(tmp_path), tmp_path, threads=1)
    twin = runtime.twin()
    assert twin is not runtime
    np.testing.assert_array_equal(twin.predict(every_colour()), runtime.predict(every_colour()))


def test_an_empty_batch_has_no_answers(tmp_path: Path) -> None:
    runtime = create_runtime(make_bundle(tmp_path), tmp_path, threads=1)
    assert runtime.predict(every_colour()[:0]).shape == (0, len(COLOURS))


@given(scale=st.floats(1e-4, 10.0), zero_point=st.integers(-128, 127), value=st.floats(-1e3, 1e3, width=32))
def test_quantising_is_off_by_half_a_step_at_most_or_saturates(scale: float, zero_point: int, value: float) -> None:
    quantisation = Quantisation(scale, zero_point, np.dtype(np.int8))
    quantised = quantisation.quantise(np.array([value], np.float32))
    back = float(quantisation.dequantise(quantised)[0])
    lowest, highest = (-128 - zero_point) * scale, (127 - zero_point) * scale
    nearest_possible = min(max(value, lowest), highest)
    assert abs(back - nearest_possible) <= scale / 2 + 1e-3 * scale + 1e-4


@given(
    scale=st.floats(1e-4, 10.0),
    zero_point=st.integers(0, 255),
    scaling=st.sampled_from(["zero-to-one", "minus-one-to-one"]),
)
def test_a_looked_up_pixel_is_the_computed_one(
    scale: float, zero_point: int, scaling: Literal["zero-to-one", "minus-one-to-one"]
) -> None:
    quantisation = Quantisation(scale, zero_point, np.dtype(np.uint8))
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    table = quantisation.table(scaling)
    assert table is not None
    assert pixels.tobytes().translate(table) == quantisation.quantise(imaging.scale(pixels, scaling)).tobytes()


def test_where_channels_differ_there_is_no_table_of_pixels() -> None:
    assert Quantisation(0.5, 0, np.dtype(np.int8)).table("caffe") is None


def test_an_unknown_runtime_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"abacus.*litert"):
        create_runtime(make_bundle(tmp_path, runtime="abacus"), tmp_path, threads=1)


@pytest.mark.parametrize("content", [b"", b"no model", tiny_model(SIZE_PX, integer=False)[:500]])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BundleError, match=r"model\.tflite"):
        create_runtime(make_bundle(tmp_path, weights=content), tmp_path, threads=1)


def test_a_model_that_does_not_fit_its_manifest_is_refused(tmp_path: Path) -> None:
    manifest = make_bundle(tmp_path)
    with pytest.raises(BundleError, match="16x16"):
        create_runtime(dataclasses.replace(manifest, input_size_px=16), tmp_path, threads=1)
    with pytest.raises(BundleError, match="2 classes"):
        create_runtime(dataclasses.replace(manifest, classes=("a", "b")), tmp_path, threads=1)
