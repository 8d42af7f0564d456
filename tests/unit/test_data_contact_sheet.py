"""A contact sheet shows each class's images as they are, always the same ones."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from data_sets import files_of_folders, files_of_ids, jpeg, write_files
from PIL import Image

from foodbench.data import Dataset, prepare
from foodbench.data.contact_sheet import (
    CELL_PX,
    HEADER_PX,
    LABEL_PX,
    THUMBNAIL_PX,
    draw_contact_sheet,
    write_contact_sheet,
)
from foodbench.errors import InputError, MachineError
from foodbench.imaging import MOST_PIXELS
from foodbench.progress import Silent
from foodbench.records.experiments import DataSpec
from foodbench.store import Store

WHITE, TOP, BOTTOM = (255, 255, 255), (200, 30, 30), (30, 30, 200)


def dataset_in(tmp_path: Path, files: dict[str, bytes]) -> Dataset:
    folder = write_files(tmp_path / "set", files)
    return prepare(DataSpec(label="dishes", path=str(folder)), Store(tmp_path / "results"), Silent())


def sheet_of(dataset: Dataset, images_per_class: int = 10) -> Image.Image:
    return draw_contact_sheet(dataset, "training", images_per_class, Silent())


def thumbnail(sheet: Image.Image, row: int, column: int) -> Image.Image:
    left, top = LABEL_PX + column * CELL_PX, HEADER_PX + row * CELL_PX
    return sheet.crop((left, top, left + THUMBNAIL_PX, top + THUMBNAIL_PX))


def halves(orientation: int) -> bytes:
    """Return a photograph, red above blue when it is upright, as a camera stores it that was held in this way."""
    image = Image.new("RGB", (64, 64), TOP)
    image.paste(BOTTOM, (0, 32, 64, 64))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    stored = {1: image, 3: image.transpose(Image.Transpose.ROTATE_180), 6: image.transpose(Image.Transpose.ROTATE_90)}
    stored[orientation].save(content, "PNG", exif=exif)
    return content.getvalue()


def test_each_class_has_a_row_of_its_own_upright_images(tmp_path: Path) -> None:
    turned = {f"training/soup/{orientation}.png": halves(orientation) for orientation in (1, 3, 6)}
    sheet = sheet_of(dataset_in(tmp_path, files_of_folders() | turned), images_per_class=6)
    assert sheet.size == (LABEL_PX + 6 * CELL_PX, HEADER_PX + 2 * CELL_PX)
    tops = [thumbnail(sheet, 1, column).getpixel((48, 10)) for column in range(5)]
    bottoms = [thumbnail(sheet, 1, column).getpixel((48, 85)) for column in range(5)]
    assert tops.count(TOP) == bottoms.count(BOTTOM) == 3
    # Cake has two images, soup five: the places after them stay empty.
    empty = [[thumbnail(sheet, row, column).getcolors() == [(96 * 96, WHITE)] for column in range(6)] for row in (0, 1)]
    assert empty == [[False] * 2 + [True] * 4, [False] * 5 + [True]]


def test_names_and_counts_stand_beside_the_images(tmp_path: Path) -> None:
    files = files_of_folders(["cake", "soup"])
    sheet = sheet_of(dataset_in(tmp_path / "one", files))
    more = sheet_of(dataset_in(tmp_path / "two", files | {"validation/soup/new.jpg": jpeg(7000)}))
    changed = np.argwhere(np.any(np.asarray(sheet) != np.asarray(more), axis=-1))
    # Only the count of soup's validation images differs: in the second row, in the column of names.
    assert len(changed)
    assert changed[:, 0].min() >= HEADER_PX + CELL_PX
    assert changed[:, 1].max() < LABEL_PX


def test_a_long_name_stays_in_its_column(tmp_path: Path) -> None:
    long = sheet_of(dataset_in(tmp_path, files_of_folders(["bánh mì " * 20, "x"])))
    gap = long.crop((LABEL_PX - 3, HEADER_PX, LABEL_PX, long.height))
    assert gap.getcolors() == [(3 * gap.height, WHITE)]


def test_a_set_gives_the_same_sheet_wherever_it_lies(tmp_path: Path) -> None:
    files = files_of_ids(range(2), each=9)
    sheets = [sheet_of(dataset_in(tmp_path / name, files), images_per_class=4) for name in ("here", "there")]
    assert sheets[0].tobytes() == sheets[1].tobytes()


def test_a_new_image_displaces_one_at_most(tmp_path: Path) -> None:
    files = files_of_ids(range(2), each=9)
    before = sheet_of(dataset_in(tmp_path / "before", files), images_per_class=4)
    new = {"training/0_9.jpg": jpeg(7000)}
    after = sheet_of(dataset_in(tmp_path / "after", files | new), images_per_class=4)

    def shown(sheet: Image.Image) -> set[bytes]:
        return {thumbnail(sheet, 0, column).tobytes() for column in range(4)}

    assert len(shown(before) & shown(after)) >= 3


def test_a_sheet_too_large_is_refused_with_what_fits(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path, files_of_ids(range(3)))
    height = HEADER_PX + 3 * CELL_PX
    fits = (MOST_PIXELS // height - LABEL_PX) // CELL_PX
    assert sheet_of(dataset, fits).size == (LABEL_PX + fits * CELL_PX, height)
    with pytest.raises(
        InputError, match=rf"received {fits + 1} images per class; of 3 classes a sheet can hold {fits}"
    ):
        sheet_of(dataset, fits + 1)


def test_an_image_that_changed_since_is_named(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path, files_of_ids())
    dataset.files["training"][0].path.write_bytes(b"no longer an image")
    with pytest.raises(InputError, match=r"training/0_0.jpg has changed since it was verified"):
        sheet_of(dataset)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"sheet.png is already there"):
        write_contact_sheet(Image.new("RGB", (4, 4)), path)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_no_part_of_a_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", no_space)
    with pytest.raises(MachineError, match=r"sheet.png: No space left on device"):
        write_contact_sheet(Image.new("RGB", (4, 4)), tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"away/sheet.png: No such file or directory"):
        write_contact_sheet(Image.new("RGB", (4, 4)), tmp_path / "away/sheet.png")
