"""Which backbones there are, what they take, and where their weights are looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tiny_training import tiny_spec

from foodbench.errors import InputError, MachineError
from foodbench.imaging import Scaling, scale
from foodbench.training.catalogue import (
    BACKBONES,
    DEVIATION,
    EFFICIENTNET,
    MEAN,
    OVER_128,
    STANDARDISE,
    Affine,
    find_backbone,
    resolve,
    weights_file_names,
)
from foodbench.training.weights import find_weights

EVERY_VALUE = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)

STANDARDISED = (EVERY_VALUE / 255 - np.array(MEAN)) / np.array(DEVIATION)

NO_KERAS_FOLDER = "no-such-folder"


@pytest.fixture(autouse=True)
def _no_weights_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / NO_KERAS_FOLDER))


def adapted(scaling: Scaling, adapter: Affine) -> npt.NDArray[np.float64]:
    return np.asarray(scale(EVERY_VALUE, scaling) * np.array(adapter.scale) + np.array(adapter.offset), np.float64)


@pytest.mark.parametrize(
    ("name", "scaling"),
    [
        ("MobileNetV2", "minus-one-to-one"),
        ("ResNet101V2", "minus-one-to-one"),
        ("VGG16", "caffe"),
        ("ResNet50", "caffe"),
        ("DenseNet121", "zero-to-one"),
    ],
)
def test_a_backbone_is_given_its_own_scaling(name: str, scaling: Scaling) -> None:
    assert resolve(tiny_spec(backbone=name, width=None)).scaling == scaling


def test_the_plain_scaling_can_be_chosen() -> None:
    assert resolve(tiny_spec(scaling="zero-to-one")).scaling == "zero-to-one"


def test_adapters_end_where_the_backbones_own_preprocessing_ends() -> None:
    assert adapted("zero-to-one", STANDARDISE) == pytest.approx(STANDARDISED, abs=1e-5)
    assert adapted("minus-one-to-one", OVER_128) == pytest.approx(EVERY_VALUE / 128 - 1.0, abs=1e-6)
    # EfficientNet's first layers, its weights file holding deviations as variances.
    within = (adapted("zero-to-one", EFFICIENTNET) / 255 - np.array(MEAN)) / np.sqrt(DEVIATION)
    assert within == pytest.approx(STANDARDISED, abs=1e-5)


def test_a_backbone_that_holds_preprocessing_takes_no_other_scaling() -> None:
    with pytest.raises(InputError, match=r"takes zero-to-one only. Received: caffe"):
        resolve(tiny_spec(backbone="DenseNet121", width=None, scaling="caffe"))


def test_an_unknown_backbone_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(InputError, match=r"there is no backbone Mobilenet-v2.*MobileNetV2"):
        find_backbone("Mobilenet-v2")


def test_a_width_where_there_is_none_to_choose_is_refused() -> None:
    with pytest.raises(InputError, match=r"VGG16 comes in one width. Received: 0.35"):
        resolve(tiny_spec(backbone="VGG16"))


@pytest.mark.parametrize(
    ("name", "width", "size_px", "expected"),
    [
        ("VGG16", None, 224, ["vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"]),
        ("ResNet101V2", None, 96, ["resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5"]),
        ("MobileNetV2", 1.0, 224, ["mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"]),
        (
            "MobileNetV2",
            0.35,
            96,
            [
                "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5",
                "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
            ],
        ),
        ("MobileNetV2", 0.5, 100, ["mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.5_224_no_top.h5"]),
        ("MobileNet", 0.75, 224, ["mobilenet_7_5_224_tf_no_top.h5"]),
    ],
)
def test_weights_files_have_keras_own_names(name: str, width: float | None, size_px: int, expected: list[str]) -> None:
    assert list(weights_file_names(BACKBONES[name], width, size_px)) == expected


def test_a_width_without_imagenet_weights_is_refused_with_those_that_have() -> None:
    with pytest.raises(InputError, match=r"no ImageNet weights of MobileNetV2 at width 0.6.*0.35, 0.5, 0.75, 1"):
        find_weights(resolve(tiny_spec(weights="imagenet", width=0.6)), None)


def test_missing_imagenet_weights_are_named_with_the_place_for_them(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as raised:
        find_weights(resolve(tiny_spec(weights="imagenet", input_size_px=224)), tmp_path)
    text = str(raised.value)
    assert "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5" in text
    assert str(tmp_path) in text
    assert 'weights = "none"' in text


def test_imagenet_weights_are_looked_for_in_the_given_folder_and_then_in_keras_own(tmp_path: Path) -> None:
    spec = resolve(tiny_spec(weights="imagenet", input_size_px=224))
    own = tmp_path / NO_KERAS_FOLDER / "models"
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    for folder in (own, tmp_path):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(str(folder).encode())
        found = find_weights(spec, tmp_path)
        assert found.path == folder / name
        assert found.used.kind == "imagenet"
        assert found.used.file_name == name


def test_a_weights_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no file"):
        find_weights(resolve(tiny_spec(weights=str(tmp_path / "missing.h5"))), None)
