"""Splits, classes and files are told from names as people really give them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from data_sets import files_of_folders, files_of_ids, write_files
from hypothesis import given
from hypothesis import strategies as st

from foodbench.data.classes import class_names, known_labels
from foodbench.data.dataset import FOOD11_CLASSES
from foodbench.data.layouts import list_files
from foodbench.errors import InputError


def counts(directory: Path) -> Counter[tuple[str, int]]:
    return Counter((file.split, file.class_id) for file in list_files(directory).files)


def test_food_11_s_own_layout(tmp_path: Path) -> None:
    listing = list_files(write_files(tmp_path, files_of_ids(range(11))))
    assert listing.classes == FOOD11_CLASSES
    assert len(listing.files) == 3 * 11 * 2
    assert not listing.excluded
    for file in listing.files:
        assert file.path.parent.name == file.split
        assert file.path.name.startswith(f"{file.class_id}_")


def test_ids_that_are_not_food_11_s(tmp_path: Path) -> None:
    assert list_files(write_files(tmp_path, files_of_ids(range(3)))).classes == ("class 0", "class 1", "class 2")


def test_class_folders(tmp_path: Path) -> None:
    listing = list_files(write_files(tmp_path, files_of_folders(["soup", "cake"])))
    assert listing.classes == ("cake", "soup")
    assert counts(tmp_path) == {(split, n): 2 for split in ("training", "validation", "evaluation") for n in (0, 1)}


def test_numbered_class_folders_go_by_number(tmp_path: Path) -> None:
    listing = list_files(write_files(tmp_path, files_of_folders(["10", "9", "bread"])))
    assert listing.classes == ("9", "10", "bread")


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "Valid", "Testing"), ("TRAINING", "dev", "eval")]
)
def test_other_names_of_the_splits(tmp_path: Path, names: tuple[str, str, str]) -> None:
    write_files(tmp_path, files_of_folders(splits=names))
    by_split = {file.split: file.path.parts[-3] for file in list_files(tmp_path).files}
    assert by_split == dict(zip(("training", "validation", "evaluation"), names, strict=True))


@pytest.mark.parametrize("wrap", ["food-11", "archive/food-11", "a/b/c"])
def test_a_data_set_in_wrapping_folders(tmp_path: Path, wrap: str) -> None:
    write_files(tmp_path / wrap, files_of_ids())
    write_files(tmp_path, {"LICENCE.txt": b"free", "docs/readme.md": b"read me", "__MACOSX/train/x.jpg": b""})
    assert list_files(tmp_path).root == tmp_path / wrap


def test_stray_files_beside_the_splits_do_not_count(tmp_path: Path) -> None:
    files = {"LICENCE.txt": b"free", "cover.jpg": b"x", "training/.DS_Store": b"x", "training/cake/Thumbs.db": b"x"}
    assert not list_files(write_files(tmp_path, files_of_folders() | files)).excluded


def test_names_that_do_not_fit_are_excluded(tmp_path: Path) -> None:
    strays = {
        "training/readme.txt": b"x",
        "training/bread.jpg": b"x",
        "training/0_1.jpg.part": b"x",
        "training/old/0_9.jpg": b"x",
    }
    listing = list_files(write_files(tmp_path, files_of_ids() | strays))
    assert {file.path: file.reason for file in listing.excluded} == dict.fromkeys(strays, "wrong-name")
    assert len(listing.files) == 18


def test_names_that_do_not_fit_among_class_folders(tmp_path: Path) -> None:
    strays = {"training/loose.jpg": b"x", "training/cake/notes.txt": b"x", "training/cake/more/a.jpg": b"x"}
    listing = list_files(write_files(tmp_path, files_of_folders() | strays))
    assert {file.path: file.reason for file in listing.excluded} == dict.fromkeys(strays, "wrong-name")
    assert len(listing.files) == 12


@pytest.mark.parametrize("stray", ["training/11_0.jpg", "evaluation/99_0.jpg"])
def test_a_label_out_of_range_is_excluded(tmp_path: Path, stray: str) -> None:
    listing = list_files(write_files(tmp_path, files_of_ids(range(11)) | {stray: b"x"}))
    assert listing.classes == FOOD11_CLASSES
    assert [(file.path, file.reason) for file in listing.excluded] == [(stray, "unknown-class")]


def test_a_label_out_of_food_11_s_range_in_every_split_is_excluded(tmp_path: Path) -> None:
    listing = list_files(write_files(tmp_path, files_of_ids([*range(11), 50], each=1)))
    assert listing.classes == FOOD11_CLASSES
    assert Counter(file.reason for file in listing.excluded) == {"unknown-class": 3}


def test_a_class_in_one_split_only_is_excluded_by_name(tmp_path: Path) -> None:
    files = files_of_folders() | files_of_folders(["pie"], splits=["training"])
    listing = list_files(write_files(tmp_path, files))
    assert listing.classes == ("cake", "soup")
    assert {file.reason for file in listing.excluded} == {"unknown-class"}
    assert "class pie" in listing.excluded[0].detail


def test_an_empty_class_is_excluded_by_name(tmp_path: Path) -> None:
    write_files(tmp_path, files_of_folders() | {"validation/bread/notes.txt": b"x"})
    before = list_files(tmp_path).fingerprint
    for folder in ("training/pie", "evaluation/pie", "validation/soup/more"):
        (tmp_path / folder).mkdir()
    listing = list_files(tmp_path)
    assert listing.classes == ("cake", "soup")
    assert {file.path: file.reason for file in listing.excluded} == {
        "training/pie": "empty-class",
        "validation/bread": "empty-class",
        "validation/bread/notes.txt": "wrong-name",
        "evaluation/pie": "empty-class",
    }
    assert listing.fingerprint != before


@pytest.mark.parametrize("split", ["training", "evaluation"])
def test_a_class_empty_where_it_is_needed_is_an_error(tmp_path: Path, split: str) -> None:
    others = [name for name in ("training", "validation", "evaluation") if name != split]
    write_files(tmp_path, files_of_folders() | files_of_folders(["pie"], splits=others))
    (tmp_path / split / "pie").mkdir()
    with pytest.raises(InputError, match=f"no {split} image of class pie"):
        list_files(tmp_path)


@pytest.mark.parametrize("split", ["training", "evaluation"])
def test_a_class_missing_where_it_is_needed_is_an_error(tmp_path: Path, split: str) -> None:
    others = [name for name in ("training", "validation", "evaluation") if name != split]
    write_files(tmp_path, files_of_folders(["cake", "soup"]) | files_of_folders(["pie"], splits=others))
    with pytest.raises(InputError, match=f"no {split} image of class pie"):
        list_files(tmp_path)


def test_a_class_missing_in_validation_is_none(tmp_path: Path) -> None:
    files = files_of_folders() | files_of_folders(["pie"], splits=["training", "evaluation"])
    assert list_files(write_files(tmp_path, files)).classes == ("cake", "pie", "soup")


def test_a_gap_in_the_ids_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, files_of_ids([0, 1, 3]))
    with pytest.raises(InputError, match="class ids up to 3, but none or only one split with id 2"):
        list_files(tmp_path)


@pytest.mark.parametrize("missing", ["training", "validation", "evaluation"])
def test_a_missing_split_is_an_error(tmp_path: Path, missing: str) -> None:
    splits = [split for split in ("training", "validation", "evaluation") if split != missing]
    write_files(tmp_path, files_of_ids(splits=splits))
    with pytest.raises(InputError, match=f"no {missing} folder|holds no data set"):
        list_files(tmp_path)


def test_two_folders_for_one_split_are_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, files_of_ids() | files_of_ids(splits=["test"]))
    with pytest.raises(InputError, match="two folders for evaluation: evaluation and test"):
        list_files(tmp_path)


def test_two_data_sets_are_an_error(tmp_path: Path) -> None:
    write_files(tmp_path / "one", files_of_ids())
    write_files(tmp_path / "two", files_of_ids())
    with pytest.raises(InputError, match=r"more than one data set \(one and two\)"):
        list_files(tmp_path)


@pytest.mark.parametrize("files", [{}, {"a.jpg": b"x"}, {"training/cake/a.jpg": b"x"}])
def test_no_data_set_is_an_error(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match="holds no data set"):
        list_files(write_files(tmp_path, files))


def test_empty_splits_are_an_error(tmp_path: Path) -> None:
    for split in ("training", "validation", "evaluation"):
        (tmp_path / split).mkdir()
    with pytest.raises(InputError, match="fewer than two classes"):
        list_files(tmp_path)


def test_links_in_a_folder_of_the_user_s_are_followed(tmp_path: Path) -> None:
    write_files(tmp_path / "set", files_of_ids())
    linked = tmp_path / "set/training/0_7.jpg"
    linked.symlink_to(tmp_path / "set/training/0_0.jpg")
    (tmp_path / "set/training/0_8.jpg").symlink_to(tmp_path / "nowhere.jpg")
    names = [file.path.name for file in list_files(tmp_path / "set").files]
    assert {"0_7.jpg", "0_8.jpg"} <= set(names)


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    write_files(tmp_path, files_of_ids())
    os.mkfifo(tmp_path / "training/0_9.jpg")
    assert "0_9.jpg" not in [file.path.name for file in list_files(tmp_path).files]


def test_names_that_are_no_text_can_be_shown(tmp_path: Path) -> None:
    write_files(tmp_path, files_of_folders())
    stray = os.fsencode(tmp_path / "training/cake") + b"/\xff.txt"
    with open(stray, "wb"):  # noqa: PTH123 - pathlib takes no bytes
        pass
    [excluded] = list_files(tmp_path).excluded
    assert excluded.path.encode() == rb"training/cake/\udcff.txt"


def test_the_fingerprint_follows_names_sizes_and_times(tmp_path: Path) -> None:
    write_files(tmp_path, files_of_ids())
    image = tmp_path / "training/0_0.jpg"
    seen = [list_files(tmp_path).fingerprint]
    assert list_files(tmp_path).fingerprint == seen[0]
    os.utime(image, ns=(0, 1))
    seen.append(list_files(tmp_path).fingerprint)
    image.write_bytes(image.read_bytes() + b"x")
    os.utime(image, ns=(0, 1))
    seen.append(list_files(tmp_path).fingerprint)
    image.rename(image.with_name("0_5.jpg"))
    seen.append(list_files(tmp_path).fingerprint)
    assert len(set(seen)) == 4


@given(st.lists(st.sets(st.sampled_from(["a", "b", "c", "d", "e"])), min_size=3, max_size=3))
def test_each_known_class_can_be_learnt_and_measured(found: list[set[str]]) -> None:
    by_split = {"training": set(found[0]), "validation": set(found[1]), "evaluation": set(found[2])}
    try:
        labels = known_labels(by_split, Path("set"))  # type: ignore[arg-type]
    except InputError:
        shared = [label for label in "abcde" if sum(label in split for split in found) > 1]
        assert len(shared) < 2 or any(label not in found[0] or label not in found[2] for label in shared)
    else:
        assert list(labels) == sorted(labels)
        assert set(labels) == found[0] & found[2]


@given(st.permutations(range(11)))
def test_the_order_of_ids_does_not_depend_on_that_of_files(ids: list[int]) -> None:
    by_split = {split: set(ids) for split in ("training", "validation", "evaluation")}
    assert class_names(known_labels(by_split, Path("set"))) == FOOD11_CLASSES  # type: ignore[arg-type]
