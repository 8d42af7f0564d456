"""What training cannot use is counted and named before it begins."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from builders import dataset_record
from data_sets import files_of_folders, files_of_ids, jpeg, write_files
from PIL import Image

from foodbench.data import verification
from foodbench.data.layouts import list_files
from foodbench.errors import InputError
from foodbench.progress import Silent
from foodbench.records.datasets import DatasetRecord, ImageProperties, SideLengths, Tally


def verified(directory: Path, files: dict[str, bytes]) -> DatasetRecord:
    listing = list_files(write_files(directory, files))
    return verification.verify(listing, label="some photographs", synthetic=False, progress=Silent())


def excluded(record: DatasetRecord) -> dict[str, str]:
    return {file.path: file.reason for file in record.excluded}


def test_a_whole_set_is_counted(tmp_path: Path) -> None:
    record = verified(tmp_path, files_of_ids(range(3), each=4))
    assert [count.images_per_class for count in record.splits] == [(4, 4, 4)] * 3
    assert [count.split for count in record.splits] == ["training", "validation", "evaluation"]
    assert (record.label, record.synthetic, record.excluded, record.converted_to_rgb) == (
        "some photographs",
        False,
        (),
        0,
    )


def test_broken_images_are_excluded_by_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "LARGEST_FILE_BYTES", 100_000)
    broken = {
        "training/0_0.jpg": b"",
        "training/1_0.jpg": jpeg(500, size_px=60)[:-100],
        "training/1_1.jpg": b"<html>not found</html>",
        "validation/0_0.jpg": jpeg(501, size_px=300, image_format="BMP"),
    }
    record = verified(tmp_path, files_of_ids(each=3) | broken)
    assert excluded(record) == {
        "training/0_0.jpg": "empty",
        "training/1_0.jpg": "corrupt",
        "training/1_1.jpg": "corrupt",
        "validation/0_0.jpg": "too-large",
    }
    assert all(file.detail for file in record.excluded if file.reason != "empty")
    assert [count.images_per_class for count in record.splits] == [(2, 1, 3), (2, 3, 3), (3, 3, 3)]


def test_too_many_pixels_are_too_large(tmp_path: Path) -> None:
    flat = jpeg(1, size_px=1)
    huge = bytearray(flat)
    frame = huge.index(b"\xff\xc0")
    huge[frame + 5 : frame + 9] = (9000).to_bytes(2, "big") * 2
    record = verified(tmp_path, files_of_ids() | {"training/0_0.jpg": bytes(huge)})
    assert excluded(record) == {"training/0_0.jpg": "too-large"}


def test_what_cannot_be_read_is_excluded(tmp_path: Path) -> None:
    write_files(tmp_path, files_of_ids())
    (tmp_path / "training/0_8.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert excluded(verified(tmp_path, {})) == {"training/0_8.jpg": "corrupt"}


def test_an_image_in_two_splits_stays_where_it_is_measured_on(tmp_path: Path) -> None:
    same = jpeg(900)
    copies = {
        "training/0_0.jpg": same,
        "training/0_1.jpg": same,
        "validation/1_0.jpg": same,
        "evaluation/2_1.jpg": same,
    }
    record = verified(tmp_path, files_of_ids(each=3) | copies)
    gone = ["training/0_0.jpg", "training/0_1.jpg", "validation/1_0.jpg"]
    assert excluded(record) == dict.fromkeys(gone, "duplicate-in-other-split")
    assert {file.detail for file in record.excluded} == {"the same as evaluation/2_1.jpg"}


def test_copies_within_a_split_are_kept(tmp_path: Path) -> None:
    same = jpeg(900)
    record = verified(tmp_path, files_of_ids() | {"training/0_0.jpg": same, "training/0_1.jpg": same})
    assert not record.excluded


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_images_that_are_converted_are_counted(tmp_path: Path, mode: str) -> None:
    record = verified(tmp_path, files_of_ids() | {"training/0_0.jpg": jpeg(1000, mode=mode)})
    assert record.converted_to_rgb == 1
    assert not record.excluded


def test_what_the_images_are_like_is_told(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    wide = io.BytesIO()
    Image.new("RGB", (400, 100)).save(wide, "JPEG", exif=turned)
    tall = {"training/0_0.jpg": wide.getvalue()}
    large = {"training/0_1.jpg": jpeg(1001, size_px=300, mode="L", image_format="PNG")}
    broken = {"training/1_0.jpg": jpeg(1002, size_px=5, image_format="GIF")[:-40]}
    properties = verified(tmp_path, files_of_ids(each=3) | tall | large | broken).properties
    assert properties == ImageProperties(
        shorter_side=SideLengths(smallest_px=12, median_px=12, largest_px=300),
        longer_side=SideLengths(smallest_px=12, median_px=12, largest_px=400),
        narrower=(Tally(value="96", images=24), Tally(value="224", images=25)),
        formats=(Tally(value="JPEG", images=25), Tally(value="PNG", images=1)),
        modes=(Tally(value="RGB", images=25), Tally(value="L", images=1)),
        turned=(Tally(value="6", images=1),),
    )


def test_a_record_from_before_is_still_read() -> None:
    record = dataset_record(properties=None).model_dump(mode="json")
    del record["properties"]
    assert DatasetRecord.model_validate_json(json.dumps(record)).properties is None


@pytest.mark.parametrize("split", ["training", "evaluation"])
def test_a_class_without_a_usable_image_is_an_error(tmp_path: Path, split: str) -> None:
    ruined = {f"{split}/soup/photo{n}.jpg": b"" for n in range(2)}
    with pytest.raises(
        InputError, match=rf"no usable {split} image of class soup; 2 files are excluded \({split}/soup/"
    ):
        verified(tmp_path, files_of_folders() | ruined)


def test_validation_needs_some_image_but_not_of_each_class(tmp_path: Path) -> None:
    files = files_of_folders()
    ruined = {f"validation/soup/photo{n}.jpg": b"" for n in range(2)}
    assert verified(tmp_path / "some", files | ruined).images("validation") == 2
    ruined |= {f"validation/cake/photo{n}.jpg": b"" for n in range(2)}
    with pytest.raises(InputError, match="no usable validation image of class cake, soup"):
        verified(tmp_path / "none", files | ruined)


def test_the_digest_is_of_contents_not_of_names(tmp_path: Path) -> None:
    files = files_of_ids()
    renamed = {name.replace("_0.jpg", "_70.jpg"): data for name, data in files.items()}
    changed = files | {"training/0_0.jpg": jpeg(999)}
    swapped = files | {"training/0_0.jpg": files["training/1_0.jpg"], "training/1_0.jpg": files["training/0_0.jpg"]}
    digests = [verified(tmp_path / str(n), each).digest for n, each in enumerate((files, renamed, changed, swapped))]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
