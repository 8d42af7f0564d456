"""Networks cut in two, and what their frozen part answers computed once."""

from __future__ import annotations

import functools
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import Heard, let_signals_through, tiny_spec

from foodbench.errors import MachineError
from foodbench.imaging import scale
from foodbench.progress import Silent
from foodbench.records.experiments import Augmentation
from foodbench.training.catalogue import resolve

pytestmark = pytest.mark.tensorflow

PIXELS = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(3)


@functools.cache
def classifier_of(backbone: str = "MobileNetV2", width: float | None = 0.35) -> Any:
    from foodbench.training.backbones import build_classifier

    classifier = build_classifier(resolve(tiny_spec(backbone=backbone, width=width)), 5, None)
    let_signals_through(classifier.base)
    return classifier


@pytest.mark.parametrize(
    ("backbone", "width", "layers", "between"),
    [
        ("MobileNetV2", 0.35, 5, (1, 1, 112)),
        ("MobileNetV2", 0.35, 20, (1, 1, 56)),
        ("ResNet50V2", None, 8, (1, 1, 2048)),
        ("EfficientNetV2B0", None, 10, (1, 1, 192)),
    ],
)
def test_both_parts_together_answer_as_the_whole(
    backbone: str, width: float | None, layers: int, between: tuple[int, ...]
) -> None:
    from foodbench.training.splitting import cut_before_last

    classifier = classifier_of(backbone, width)
    cut = cut_before_last(classifier, layers)
    assert cut is not None
    image = scale(PIXELS, "zero-to-one")
    middle = cut.front(image, training=False)
    assert middle.shape[1:] == between
    features = classifier.features(image, training=False).numpy()
    assert np.ptp(features, axis=0).max() > 1e-3
    assert cut.features(middle, training=False).numpy() == pytest.approx(features, rel=1e-4, abs=1e-5)
    probabilities = classifier.model(image, training=False).numpy()
    assert cut.model(middle, training=False).numpy() == pytest.approx(probabilities, abs=1e-5)


def test_no_layer_that_is_to_be_trained_is_in_front() -> None:
    from foodbench.training.backbones import unfreeze_last
    from foodbench.training.splitting import cut_before_last

    classifier = classifier_of()
    cut = cut_before_last(classifier, 30)
    unfreeze_last(classifier, 30)
    assert cut is not None
    assert not cut.front.trainable_variables
    assert len(cut.model.trainable_variables) == len(classifier.model.trainable_variables) > 2


def test_where_all_is_trained_there_is_nothing_to_cut() -> None:
    from foodbench.training.splitting import cut_before_last

    assert cut_before_last(classifier_of(), 10_000) is None


def frozen_part(directory: Path, progress: Any) -> Any:
    from foodbench.training.frozen import FrozenPart

    return FrozenPart(classifier_of().features, "features", directory, "Frozen layers", progress)


def inputs(augmentation: Augmentation | None) -> Any:
    from foodbench.training.augmentation import build_augmenter
    from foodbench.training.batches import scaled_images
    from foodbench.training.frozen import Inputs

    images = scaled_images(PIXELS, LABELS, "minus-one-to-one")
    return Inputs((images,), images, build_augmenter(augmentation, 1))


def test_draws_differ_from_one_another_and_validation_is_plain(tmp_path: Path) -> None:
    part = frozen_part(tmp_path, Silent())
    answered = part.answers(inputs(Augmentation()), 2)
    plain = part.model(scale(PIXELS, "minus-one-to-one"), training=False).numpy()
    assert answered.augment is None
    assert answered.validation.values == pytest.approx(plain, rel=1e-2, abs=1e-3)
    first, second = (draw.values for draw in answered.draws)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, answered.validation.values)
    assert [list(draw.labels) for draw in answered.draws] == [[0, 1, 2]] * 2


def test_what_is_on_disk_is_not_computed_again(tmp_path: Path) -> None:
    frozen_part(tmp_path, Silent()).answers(inputs(Augmentation()), 2)
    (tmp_path / "features-training-2.npy").unlink()
    heard = Heard()
    frozen_part(tmp_path, heard).answers(inputs(Augmentation()), 2)
    assert {description for description, _, _ in heard.steps} == {"Frozen layers: features-training-2"}


def test_a_disk_too_small_for_all_draws_is_refused_before_any_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024  as shutil's own
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10_000, 0, 10_000))
    heard = Heard()
    with pytest.raises(MachineError, match=r"takes .* GiB in .* where .* are free. Lower recipe.augmentation_draws"):
        frozen_part(tmp_path, heard).answers(inputs(Augmentation()), 2)
    assert not heard.steps
    assert not list(tmp_path.iterdir())
