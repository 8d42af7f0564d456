"""From what an experiment names to arrays, through a real store."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import files_of_folders, files_of_ids, jpeg, write_files, write_tar, write_zip

from foodbench import imaging
from foodbench.data import FOOD11_CLASSES, load_arrays, prepare
from foodbench.errors import InputError, MachineError
from foodbench.progress import Silent
from foodbench.records.experiments import DataSpec, SyntheticData
from foodbench.store import Store

TINY = SyntheticData(
    image_size_px=24, training_images_per_class=2, validation_images_per_class=1, evaluation_images_per_class=1
)


class Listener(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.work: set[str] = set()
        self.lines: list[str] = []

    def step(self, description: str, done: float, total: float) -> None:
        assert 0 <= done <= total
        self.work.add(description)

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def photographs(path: Path, label: str = "photographs") -> DataSpec:
    return DataSpec(label=label, path=str(path))


def write_tar_with_folder(path: Path, files: dict[str, bytes], folder: str) -> Path:
    write_tar(path, files)
    member = tarfile.TarInfo(folder)
    member.type = tarfile.DIRTYPE
    with tarfile.open(path, "a") as archive:
        archive.addfile(member)
    return path


def write_zip_with_folder(path: Path, files: dict[str, bytes], folder: str) -> Path:
    write_zip(path, files)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{folder}/", b"")
    return path


def everything_in(directory: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*")}


def test_a_synthetic_set_is_drawn_once(store: Store) -> None:
    spec = DataSpec(label="synthetic images", synthetic=TINY)
    first, again = Listener(), Listener()
    dataset = prepare(spec, store, first)
    assert dataset.record.synthetic
    assert dataset.record.label == "synthetic images"
    assert dataset.record.classes == FOOD11_CLASSES
    assert [dataset.record.images(split) for split in ("training", "validation", "evaluation")] == [22, 11, 11]
    assert dataset.root.is_relative_to(store.root)
    assert prepare(spec, store, again) == dataset
    assert first.work == {"drawing synthetic images", "verifying images"}
    assert again.work == set()


@pytest.mark.parametrize("layout", [files_of_ids, files_of_folders])
@pytest.mark.parametrize("pack", ["tar", "tar.gz", "zip"])
@pytest.mark.parametrize("wrap", ["", "./", "wrapped/"])
def test_an_archive_of_either_layout_is_the_same_set_as_its_folder(
    tmp_path: Path, store: Store, layout: Any, pack: str, wrap: str
) -> None:
    files = layout()
    folder = write_files(tmp_path / "folder", files)
    wrapped = {wrap + name: data for name, data in files.items()} | {f"{wrap}LICENCE.txt": b"free"}
    path = tmp_path / f"set.{pack}"
    _, _, compression = pack.partition(".")
    archive = write_zip(path, wrapped) if pack == "zip" else write_tar(path, wrapped, compression=compression)
    of_folder, of_archive = (
        prepare(photographs(folder), store, Silent()),
        prepare(photographs(archive), store, Silent()),
    )
    assert of_folder.record == of_archive.record
    assert of_archive.root.is_relative_to(store.root)
    assert [(file.path.name, file.class_id) for file in of_archive.files["training"]] == [
        (file.path.name, file.class_id) for file in of_folder.files["training"]
    ]


def test_nothing_is_written_into_a_folder_of_the_user_s(tmp_path: Path, store: Store) -> None:
    folder = write_files(tmp_path / "folder", files_of_ids())
    before = everything_in(folder)
    dataset = prepare(photographs(folder), store, Silent())
    load_arrays(dataset, "training", 8, cache=store.root / "cache")
    assert everything_in(folder) == before


def test_verification_is_done_again_only_after_a_change(tmp_path: Path, store: Store) -> None:
    folder = write_files(tmp_path / "folder", files_of_ids())
    prepare(photographs(folder), store, Silent())
    unchanged, changed = Listener(), Listener()
    assert prepare(photographs(folder, "another name"), store, unchanged).record.label == "another name"
    assert not unchanged.work
    (folder / "training/0_9.jpg").write_bytes(jpeg(77))
    assert prepare(photographs(folder), store, changed).record.images("training") == 7
    assert changed.work == {"verifying images"}


def test_a_damaged_outcome_is_made_again(tmp_path: Path, store: Store) -> None:
    folder = write_files(tmp_path / "folder", files_of_ids())
    dataset = prepare(photographs(folder), store, Silent())
    [record] = store.root.rglob("dataset.json")
    record.write_text(record.read_text()[:100])
    assert prepare(photographs(folder), store, Silent()) == dataset


def test_what_is_excluded_is_said_and_not_among_the_files(tmp_path: Path, store: Store) -> None:
    strays = {"training/0_0.jpg": b"", "training/1_0.jpg": b"x", "training/1_1.jpg": b"y", "training/2_x.jpg": b"z"}
    folder = write_files(tmp_path / "folder", files_of_ids(each=3) | strays)
    for _ in range(2):
        listener = Listener()
        dataset = prepare(photographs(folder), store, listener)
        assert listener.lines == [f"4 files of {folder} are excluded: 2 corrupt, 1 empty, 1 wrong-name"]
        names = {str(file.path.relative_to(folder)) for file in dataset.files["training"]}
        assert not names & set(strays)
        assert len(names) == dataset.record.images("training") == 6


def test_a_failed_archive_leaves_nothing(tmp_path: Path, store: Store) -> None:
    archive = write_tar(tmp_path / "set.tar", files_of_ids() | {"../outside.jpg": b"x"})
    with pytest.raises(InputError, match="leads out"):
        prepare(photographs(archive), store, Silent())
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]


def test_an_archive_without_a_data_set_is_an_error(tmp_path: Path, store: Store) -> None:
    archive = write_tar(tmp_path / "set.tar", {"readme.txt": b"nothing here"})
    with pytest.raises(InputError, match="holds no data set"):
        prepare(photographs(archive), store, Silent())


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (DataSpec(label="x", path="/nowhere/at/all"), "no folder or archive /nowhere/at/all"),
        (DataSpec(label="x"), "either a path or a synthetic set"),
        (DataSpec(label="x", path="/", synthetic=TINY), "either a path or a synthetic set"),
    ],
)
def test_a_data_set_that_is_not_there_is_an_error(store: Store, spec: DataSpec, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        prepare(spec, store, Silent())


def test_a_store_that_cannot_be_written_is_the_machine_s(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file, not a folder")
    with pytest.raises(MachineError, match="cannot write"):
        prepare(DataSpec(label="x", synthetic=TINY), Store(tmp_path / "results"), Silent())


def test_arrays_hold_each_file_s_pixels_in_order(tmp_path: Path, store: Store) -> None:
    dataset = prepare(photographs(write_files(tmp_path / "folder", files_of_ids(each=40))), store, Silent())
    pixels, labels = load_arrays(dataset, "validation", 10)
    assert pixels.dtype == np.uint8
    assert labels.dtype == np.int64
    assert labels.tolist() == [0] * 40 + [1] * 40 + [2] * 40
    for file, found in zip(dataset.files["validation"], pixels, strict=True):
        assert np.array_equal(found, imaging.decode(file.path.read_bytes(), 10))


def test_cached_arrays_are_the_same_and_are_decoded_once(tmp_path: Path, store: Store) -> None:
    dataset = prepare(photographs(write_files(tmp_path / "folder", files_of_ids())), store, Silent())
    plain, _labels = load_arrays(dataset, "training", 10)
    first, again = Listener(), Listener()
    cached, labels = load_arrays(dataset, "training", 10, cache=tmp_path / "cache", progress=first)
    mapped, labels_again = load_arrays(dataset, "training", 10, cache=tmp_path / "cache", progress=again)
    assert np.array_equal(cached, plain)
    assert np.array_equal(mapped, plain)
    assert np.array_equal(labels, labels_again)
    assert (first.work, again.work) == ({"decoding training images"}, set())
    assert len(list((tmp_path / "cache").iterdir())) == 1
    other, _labels = load_arrays(dataset, "training", 12, cache=tmp_path / "cache")
    assert other.shape == (6, 12, 12, 3)


@pytest.mark.parametrize("change", ["removed", "damaged"])
def test_a_file_that_changed_since_is_named_and_leaves_no_cache(tmp_path: Path, store: Store, change: str) -> None:
    folder = write_files(tmp_path / "folder", files_of_ids())
    dataset = prepare(photographs(folder), store, Silent())
    image = folder / "training/1_0.jpg"
    image.unlink()
    if change == "damaged":
        image.write_bytes(b"no image any more")
    with pytest.raises(InputError, match=r"training/1_0.jpg has changed since it was verified"):
        load_arrays(dataset, "training", 8, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="space cannot be reserved here")
def test_a_full_disk_is_found_before_it_is_mapped(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = prepare(photographs(write_files(tmp_path / "folder", files_of_ids())), store, Silent())

    def no_space(*_arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(MachineError, match="No space left on device"):
        load_arrays(dataset, "training", 8, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("write", [write_tar_with_folder, write_zip_with_folder])
def test_an_empty_class_in_an_archive_is_told(
    tmp_path: Path, store: Store, write: Callable[[Path, dict[str, bytes], str], Path]
) -> None:
    archive = write(tmp_path / "set.archive", files_of_folders(), "training/pie")
    [excluded] = prepare(photographs(archive), store, Silent()).record.excluded
    assert (excluded.path, excluded.reason) == ("training/pie", "empty-class")


def test_an_unpacked_archive_survives_without_its_outcome(tmp_path: Path, store: Store) -> None:
    archive = write_tar(tmp_path / "set.tar", files_of_ids())
    dataset = prepare(photographs(archive), store, Silent())
    [record] = store.root.rglob("dataset.json")
    shutil.rmtree(record.parent)
    listener = Listener()
    assert prepare(photographs(archive), store, listener) == dataset
    assert listener.work == {"verifying images"}
