"""Any photograph becomes the same kind of square; anything else is refused by name."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, get_args

import numpy as np
import pytest
from data_sets import jpeg
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from foodbench import imaging


def encoded(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, image_format, **options)
    return content.getvalue()


def quarters(size_px: int = 64) -> Image.Image:
    """Red, green / blue, white: shows which way is up."""
    image = Image.new("RGB", (size_px, size_px), "white")
    half = size_px // 2
    image.paste("red", (0, 0, half, half))
    image.paste("lime", (half, 0, size_px, half))
    image.paste("blue", (0, half, half, size_px))
    return image


def corners(pixels: NDArray[np.uint8]) -> list[list[int]]:
    """Colours of the four quarters' middles, to the nearest of 0 and 255."""
    low, high = pixels.shape[0] // 4, 3 * pixels.shape[0] // 4
    return [
        [255 * int(value > 127) for value in pixels[y, x]]
        for y, x in ((low, low), (low, high), (high, low), (high, high))
    ]


UPRIGHT = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_png_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("L", (40, 30), 255)
    image = Image.fromarray(np.full((30, 40), 0xFFFF, np.uint16)) if mode == "I;16" else image.convert(mode)
    pixels = imaging.decode(encoded(image), 16)
    assert pixels.shape == (16, 16, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert (pixels == 255).all()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_format_is_read(image_format: str) -> None:
    assert corners(imaging.decode(encoded(quarters(), image_format), 32)) == UPRIGHT


def test_cmyk_jpegs_keep_their_colours() -> None:
    assert corners(imaging.decode(encoded(quarters().convert("CMYK"), "JPEG"), 32)) == UPRIGHT


def test_16_bits_are_scaled_not_cut_off() -> None:
    image = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))
    assert imaging.decode(encoded(image), 8).tolist() == np.full((8, 8, 3), 0x80).tolist()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_are_white(mode: str) -> None:
    assert (imaging.decode(encoded(Image.new(mode, (8, 8), 0)), 8) == 255).all()


def test_a_transparent_colour_of_a_palette_is_white() -> None:
    image = quarters().convert("P", palette=Image.Palette.ADAPTIVE)
    blue = image.getpixel((0, 63))
    assert corners(imaging.decode(encoded(image, transparency=blue), 32)) == [*UPRIGHT[:2], [255, 255, 255], UPRIGHT[3]]


def test_of_an_animation_the_first_picture_is_taken() -> None:
    content = encoded(quarters(), "GIF", save_all=True, append_images=[Image.new("RGB", (64, 64))])
    assert corners(imaging.decode(content, 32)) == UPRIGHT


STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_the_camera_s_orientation_is_undone(orientation: int, image_format: str) -> None:
    turn = STORED_AS[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = quarters() if turn is None else quarters().transpose(turn)
    assert corners(imaging.decode(encoded(stored, image_format, exif=exif), 32)) == UPRIGHT


@pytest.mark.parametrize("orientation", [0, 9, "six"])
def test_an_orientation_that_is_none_changes_nothing(orientation: object) -> None:
    exif = Image.Exif()
    exif[0x010E if isinstance(orientation, str) else 0x0112] = orientation
    assert corners(imaging.decode(encoded(quarters(), "JPEG", exif=exif), 32)) == UPRIGHT


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 3), (300, 200)])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_every_shape_becomes_the_square(size: tuple[int, int], image_format: str) -> None:
    content = encoded(Image.new("RGB", size, (200, 100, 50)), image_format)
    pixels = imaging.decode(content, 33)
    assert pixels.shape == (33, 33, 3)
    assert np.abs(pixels.astype(int) - (200, 100, 50)).max() <= 2


def test_a_large_jpeg_decodes_nearly_as_if_in_full() -> None:
    blurred = Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    content = encoded(blurred.resize((1280, 960), Image.Resampling.BICUBIC), "JPEG", quality=95)
    full = Image.open(io.BytesIO(content)).resize((96, 96), Image.Resampling.BILINEAR)
    difference = imaging.decode(content, 96).astype(float) - np.asarray(full, float)
    assert np.sqrt((difference**2).mean()) < 3


def png_header(width_px: int, height_px: int) -> bytes:
    """The beginning of a PNG that claims a size."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


@pytest.mark.parametrize("size", [(7_100, 7_100), (12_000, 12_000), (100_000, 100_000)])
@pytest.mark.parametrize("read", [lambda data: imaging.decode(data, 8), imaging.examine])
def test_a_decompression_bomb_is_refused_by_its_header(size: tuple[int, int], read: Any) -> None:
    with pytest.raises(imaging.ImageError, match="pixels") as caught:
        read(png_header(*size))
    assert caught.value.too_large


def with_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan, one that refines, is there as often as makes ``count`` in all."""
    whole = jpeg(2, size_px=40, progressive=True)
    first, last = whole.count(b"\xff\xda"), whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * (count - first + 1) + whole[-2:]


@pytest.mark.parametrize("read", [lambda data: imaging.decode(data, 32), imaging.examine])
def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded(read: Any) -> None:
    assert read(with_scans(100)) is not None
    with pytest.raises(imaging.ImageError, match="more than 100 scans"):
        read(with_scans(101))


def test_a_film_behind_a_photograph_is_no_scan() -> None:
    photograph = jpeg(2, size_px=40)
    expected = imaging.decode(photograph, 32)
    assert np.array_equal(imaging.decode(photograph + b"film \xff\xda\x00\x04" * 500, 32), expected)


def test_the_limit_on_pixels_is_the_caller_s() -> None:
    content = jpeg(1, size_px=20)
    assert imaging.decode(content, 8, most_pixels=400).shape == (8, 8, 3)
    with pytest.raises(imaging.ImageError, match="20 x 20 pixels are more than the 399"):
        imaging.decode(content, 8, most_pixels=399)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"%PDF-1.7 not a photograph", "not a JPEG"),
        (jpeg(1, size_px=60)[:-200], "truncated"),
        (jpeg(1, image_format="PNG")[:-60], "damaged"),
        (jpeg(1, image_format="TIFF"), "not a JPEG"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    for read in (lambda: imaging.decode(data, 8), lambda: imaging.examine(data)):
        with pytest.raises(imaging.ImageError, match=reason) as caught:
            read()
        assert not caught.value.too_large
        assert "\n" not in caught.value.reason


SEEDS = [
    jpeg(1, size_px=40),
    jpeg(2, size_px=40, progressive=True),
    jpeg(3, size_px=40, mode="CMYK"),
    *(jpeg(4, size_px=40, image_format=name) for name in ("PNG", "GIF", "WEBP", "BMP")),
    jpeg(5, size_px=40, image_format="PNG", mode="P", transparency=3),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
@example(SEEDS[0], None)
def test_damage_is_refused_or_survived_and_examine_says_which(seed: bytes, data: st.DataObject | None) -> None:
    damaged = bytearray(seed)
    if data is not None:
        for place, value in data.draw(
            st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255)), max_size=8)
        ):
            damaged[place] = value
        del damaged[data.draw(st.integers(0, len(seed))) or len(seed) :]
    outcomes = []
    for read in (lambda: imaging.decode(bytes(damaged), 16), lambda: imaging.examine(bytes(damaged))):
        try:
            read()
            outcomes.append("read")
        except imaging.ImageError:
            outcomes.append("refused")
    assert len(set(outcomes)) == 1
    assert bytes(damaged) != seed or outcomes[0] == "read"


def test_examine_tells_the_stored_mode_and_size() -> None:
    facts = imaging.examine(encoded(Image.new("L", (640, 480)), "JPEG"))
    assert facts == imaging.ImageFacts(format="JPEG", mode="L", width_px=640, height_px=480)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("stored", "told"), [(0, 1), (1, 1), (6, 6), (8, 8), (9, 1)])
def test_examine_tells_the_camera_s_orientation(stored: int, told: int, image_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = stored
    facts = imaging.examine(encoded(Image.new("RGB", (64, 48)), image_format, exif=exif))
    assert (facts.orientation, facts.width_px, facts.height_px) == (told, 64, 48)


ALL_VALUES = np.stack([np.arange(256, dtype=np.uint8)] * 3, axis=-1)[None]


def test_zero_to_one() -> None:
    scaled = imaging.scale(ALL_VALUES, "zero-to-one")
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, ALL_VALUES.astype(np.float32) / np.float32(255))
    assert (scaled.min(), scaled.max()) == (0, 1)


def test_minus_one_to_one() -> None:
    scaled = imaging.scale(ALL_VALUES, "minus-one-to-one")
    assert (scaled.min(), scaled.max()) == (-1, 1)


def test_caffe_swaps_channels_and_takes_the_means_away() -> None:
    scaled = imaging.scale(np.array([[10, 20, 30]], np.uint8), "caffe")
    assert scaled == pytest.approx(np.array([[30 - 103.939, 20 - 116.779, 10 - 123.68]]), abs=1e-5)


@pytest.mark.parametrize("scaling", get_args(imaging.Scaling))
def test_scaling_keeps_the_shape_and_leaves_its_input_alone(scaling: imaging.Scaling) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    before = pixels.copy()
    scaled = imaging.scale(pixels, scaling)
    assert scaled.shape == pixels.shape
    assert scaled.dtype == np.float32
    assert np.array_equal(pixels, before)


def test_an_unknown_scaling_is_named() -> None:
    with pytest.raises(ValueError, match="Received: 'tf'"):
        imaging.scale(ALL_VALUES, "tf")  # type: ignore[arg-type]
