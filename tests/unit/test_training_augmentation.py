"""What a random change does is read off an image of coordinates: each pixel of the result says where it came from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from foodbench.records.experiments import Augmentation

pytestmark = pytest.mark.tensorflow

SIDE = 33
COUNT = 64
MIDDLE = (SIDE - 1) / 2

NOTHING = Augmentation(rotation_degrees=0, zoom_fraction=0, shift_fraction=0, shear_degrees=0, horizontal_flip=False)

Matrices = npt.NDArray[np.float64]


def augmenter(**steps: Any) -> Any:
    from foodbench.training.augmentation import build_augmenter

    return build_augmenter(NOTHING.model_copy(update=steps), 1)


def origins(**steps: Any) -> tuple[Matrices, Matrices]:
    """Return the linear part, (n, 2, 2), of where pixels came from about the centre, and the centre's move, (n, 2)."""
    axis = np.arange(SIDE, dtype=np.float32) - MIDDLE
    x, y = np.meshgrid(axis, axis)
    image = np.stack([x, y, np.zeros_like(x)], axis=-1)
    changed = np.asarray(augmenter(**steps)(np.repeat(image[None], COUNT, axis=0)))
    # About the centre no edge is repeated, and what is linear is interpolated without an error.
    near = (np.abs(x) <= 4) & (np.abs(y) <= 4)
    known = np.stack([x[near], y[near], np.ones(near.sum())], axis=1)
    found = np.stack([np.linalg.lstsq(known, one[near][:, :2], rcond=None)[0] for one in changed])
    return found[:, :2].transpose(0, 2, 1), found[:, 2]


def test_rotation_turns_about_the_centre_up_to_its_angle() -> None:
    linear, moved = origins(rotation_degrees=20)
    angles = np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    turned = np.radians(angles)
    expected = np.stack(
        [np.stack([np.cos(turned), -np.sin(turned)], -1), np.stack([np.sin(turned), np.cos(turned)], -1)], -2
    )
    assert np.allclose(linear, expected, atol=1e-4)
    assert np.allclose(moved, 0, atol=1e-3)
    assert 15 < np.abs(angles).max() <= 20.01
    assert angles.min() < 0 < angles.max()


def test_zoom_scales_each_side_for_itself() -> None:
    linear, moved = origins(zoom_fraction=0.2)
    assert np.allclose(linear[:, [0, 1], [1, 0]], 0, atol=1e-4)
    scales = linear[:, [0, 1], [0, 1]]
    assert 0.79 < scales.min() < 0.85
    assert 1.15 < scales.max() < 1.21
    assert not np.allclose(scales[:, 0], scales[:, 1], atol=0.05)
    assert np.allclose(moved, 0, atol=1e-3)


def test_shift_moves_both_ways_up_to_its_share_of_the_side() -> None:
    linear, moved = origins(shift_fraction=0.1)
    assert np.allclose(linear, np.eye(2), atol=1e-4)
    for along in moved.T:
        assert -0.1 * SIDE - 0.01 <= along.min() < -0.05 * SIDE
        assert 0.05 * SIDE < along.max() <= 0.1 * SIDE + 0.01


def test_shear_slants_along_x_alone() -> None:
    linear, moved = origins(shear_degrees=10)
    most = math.tan(math.radians(10))
    assert np.allclose(linear[:, 1], [0, 1], atol=1e-4)
    assert np.allclose(linear[:, 0, 0], 1, atol=1e-4)
    assert -most - 1e-3 <= linear[:, 0, 1].min() < -most / 2
    assert most / 2 < linear[:, 0, 1].max() <= most + 1e-3
    assert np.allclose(moved, 0, atol=1e-3)


def test_half_of_the_images_are_mirrored_and_the_others_stay() -> None:
    linear, moved = origins(horizontal_flip=True)
    mirrored = linear[:, 0, 0] < 0
    assert COUNT / 4 < mirrored.sum() < COUNT * 3 / 4
    assert np.allclose(linear[mirrored], [[-1, 0], [0, 1]], atol=1e-4)
    assert np.allclose(linear[~mirrored], np.eye(2), atol=1e-4)
    assert np.allclose(moved, 0, atol=1e-3)


def test_all_steps_together_are_their_product() -> None:
    linear, moved = origins(
        rotation_degrees=20, zoom_fraction=0.2, shift_fraction=0.1, shear_degrees=10, horizontal_flip=True
    )
    # Rotation and shear keep areas; what is left is the zoom's, mirrored or not.
    areas = np.linalg.det(linear)
    assert (areas < 0).any()
    assert (areas > 0).any()
    assert 0.64 - 1e-3 <= np.abs(areas).min() < np.abs(areas).max() <= 1.44 + 1e-3
    # The second column without the rotation's turn: a sheared, zoomed y axis.
    turned = np.arctan2(linear[:, 1, 0] * np.sign(areas), linear[:, 0, 0] * np.sign(areas))
    assert np.abs(np.degrees(turned)).max() <= 20.01
    assert np.abs(moved).max() <= 0.1 * SIDE + 0.01


def test_equal_parts_are_changed_equally_whatever_came_before() -> None:
    change, images = augmenter(rotation_degrees=20), np.random.default_rng(0).random((4, SIDE, SIDE, 3), np.float32)
    change.begin(1)
    first = np.asarray(change(images))
    again = np.asarray(change(images))
    change.begin(2)
    second = np.asarray(change(images))
    change.begin(1)
    assert np.array_equal(np.asarray(change(images)), first)
    assert not np.allclose(again, first)
    assert not np.allclose(second, first)
    assert not np.allclose(first[0] - first[1], images[0] - images[1])


def test_what_comes_in_from_outside_repeats_the_edge() -> None:
    images = np.full((COUNT, SIDE, SIDE, 3), 0.7, np.float32)
    assert np.allclose(np.asarray(augmenter(shift_fraction=0.5, rotation_degrees=180)(images)), 0.7, atol=1e-5)


def test_nothing_to_change_is_no_augmenter() -> None:
    from foodbench.training.augmentation import build_augmenter

    assert augmenter() is None
    assert build_augmenter(None, 1) is None
