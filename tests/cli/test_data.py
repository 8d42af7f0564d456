"""``foodbench data check`` and ``data show``, as a user runs them on an archive."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import foodbench
from data_sets import files_of_folders, jpeg, write_tar
from PIL import Image


def test_check_tells_what_the_images_are_like_and_what_is_not_used(tmp_path: Path) -> None:
    strange = {"training/soup/grey.png": jpeg(900, mode="L", size_px=230, image_format="PNG")}
    broken = {"training/soup/broken.jpg": b"<html>", "training/pie/only.jpg": jpeg(901)}
    write_tar(tmp_path / "[dishes].tar", files_of_folders(["cake", "soup"]) | strange | broken)
    done = foodbench("data", "check", "[dishes].tar", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {cells[1].strip(): cells[2:-1] for line in done.stdout.splitlines() if len(cells := line.split("│")) > 3}
    told = {name: [cell.strip() for cell in cells] for name, cells in rows.items()}
    assert "[dishes]" in done.stdout
    assert told["soup"] == ["3", "2", "2"]
    assert told["Shorter side"] == ["12 to 230 px, median 12"]
    assert told["Narrower than 96 px"] == ["12 (92.3%)"]
    assert told["Formats"] == ["JPEG: 12, PNG: 1"]
    assert told["Colour modes"] == ["RGB: 12, L: 1"]
    assert told["EXIF orientation not 1"] == ["none"]
    assert told["training/soup/broken.jpg"][0] == "corrupt"
    assert told["training/pie/only.jpg"][0] == "unknown-class"
    record = json.loads(foodbench("data", "check", "[dishes].tar", "-q", "--json", cwd=tmp_path).stdout)
    assert record["properties"]["narrower"] == [{"value": "96", "images": 12}, {"value": "224", "images": 12}]


def test_show_writes_one_picture_and_never_over_another(tmp_path: Path) -> None:
    write_tar(tmp_path / "dishes.tar", files_of_folders())
    arguments = ("data", "show", "dishes.tar", "--split", "evaluation", "--images-per-class", "2")
    done = foodbench(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sheet = tmp_path / "dishes-evaluation.png"
    with Image.open(sheet) as picture:
        assert f"dishes-evaluation.png: {picture.width} x {picture.height} pixels" in done.stdout
    before = sheet.read_bytes()
    again = foodbench(*arguments, cwd=tmp_path)
    assert again.returncode == 2
    assert "dishes-evaluation.png is already there. Choose another file with --output." in again.stderr
    assert sheet.read_bytes() == before
