"""The bundle's manifest: read as written, refused in one line when anything is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import make_bundle

from foodbench.serving.bundle import MANIFEST_FILE, BundleError, read_manifest


def change(directory: Path, **changes: Any) -> None:
    path = directory / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(directory: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_manifest(directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert make_bundle(tmp_path) == read_manifest(tmp_path)


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    manifest = make_bundle(tmp_path)
    weights = tmp_path / manifest.weights_file
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    assert manifest.weights_sha256 in refusal(tmp_path)


@pytest.mark.parametrize("missing", ["model.tflite", "test.jpg", MANIFEST_FILE])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    make_bundle(tmp_path)
    (tmp_path / missing).unlink()
    assert missing in refusal(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format_version", 2),
        ("format_version", None),
        ("model_name", ""),
        ("runtime", 7),
        ("weights_file", "../model.tflite"),
        ("weights_file", "/etc/passwd"),
        ("weights_file", ".."),
        ("weights_file", ["model.tflite"]),
        ("test_image_file", "a/b.jpg"),
        ("weights_sha256", "ABC"),
        ("weights_sha256", None),
        ("classes", ["only one"]),
        ("classes", "Bread"),
        ("classes", ["Bread", 3]),
        ("input_size_px", 0),
        ("input_size_px", True),
        ("input_size_px", 64.0),
        ("input_size_px", 100_000),
        ("scaling", "none"),
        ("scaling", ["caffe"]),
        ("marks", ["x", None]),
        ("surprise", 1),
    ],
)
def test_an_impossible_value_is_refused_and_named(tmp_path: Path, field: str, value: Any) -> None:
    make_bundle(tmp_path)
    change(tmp_path, **{field: value})
    assert field.replace("_", " ") in refusal(tmp_path).replace("_", " ")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b" " * (2 << 20)])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    make_bundle(tmp_path)
    (tmp_path / MANIFEST_FILE).write_bytes(content)
    assert MANIFEST_FILE in refusal(tmp_path)


def test_a_manifest_that_lacks_a_field_is_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    path = tmp_path / MANIFEST_FILE
    content = json.loads(path.read_text())
    del content["scaling"]
    path.write_text(json.dumps(content))
    assert "scaling" in refusal(tmp_path)
