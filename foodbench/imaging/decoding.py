"""From the bytes of a photograph to a square of RGB pixels."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# Registers WebP; left to itself Pillow would import all of its plugins at the first WebP image.
from PIL import ExifTags, Image, UnidentifiedImageError, WebPImagePlugin

__all__ = ["MOST_PIXELS", "ImageError", "ImageFacts", "decode", "examine"]

MOST_PIXELS = 3 * 2**24
"""Width times height that is decoded at most: a 50-megapixel camera's (8160 x 6144). It costs at most
192 MiB at 4 bytes a pixel, and is below the size at which Pillow itself begins to warn."""

MOST_SCANS = 100
"""Of a JPEG. A progressive photograph has about ten. Each goes over the whole picture in time that its bytes do not
show: at 50 megapixels one of 75 bytes took 31 ms, so a megabyte of them takes minutes that nothing can interrupt."""

START_OF_SCAN = b"\xff\xda"

SEGMENT = re.compile(rb"\xff+([^\x00\x01\xff\xd0-\xd7])")
"""A marker that neither stands alone nor belongs to compressed data (ITU-T T.81, B.1.1)."""

END_OF_IMAGE = 0xD9

FORMATS = ("JPEG", "PNG", WebPImagePlugin.WebPImageFile.format, "GIF", "BMP")
"""The others are rare among photographs, and each decoder is one more that a hostile file can reach."""

FILTER = Image.Resampling.BILINEAR
"""Pillow widens the filter when it makes an image smaller, so nothing aliases. Bilinear is the default of
``keras.utils.image_dataset_from_directory``; bicubic takes 1.6 times as long (256 to 224 pixels), and the two
differ by 2 levels of 255 (root mean square over photographs)."""

REDUCING_GAP = 2.0
"""Before the filter an image is reduced by a whole number to no less than this times the size wanted. Together with
the JPEG decoder's own reducing it takes a third of the time for a 1280-pixel photograph, and moves pixels by 1 to 2
levels of 255 (root mean square)."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (EXIF 2.32, tag 0x0112)."""


class ImageError(ValueError):
    """The bytes are not an image that can be used.

    Args:
        reason: Why, in one line fit for whoever sent them.
        too_large: Whether it is refused for its size alone.
    """

    def __init__(self, reason: str, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.too_large = too_large


@dataclass(frozen=True)
class ImageFacts:
    """What an image is before it is converted."""

    format: str
    mode: str
    """Pillow's name for how it is stored: RGB, L, P, CMYK, RGBA, I;16, ..."""
    width_px: int
    height_px: int
    orientation: int = 1
    """EXIF's, 1 to 8; 1, upright, also where it says nothing or nonsense."""


def decode(data: bytes, size_px: int, *, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """Decode a photograph to a square, upright, in RGB.

    The whole image is used: its sides are scaled each for itself, as Keras' loaders do by default. A
    JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that is still no smaller than the square, which
    saves most of the time of a large photograph. Transparent parts become white; of an animation the first
    picture is taken.

    Args:
        data: A JPEG, PNG, WebP, GIF or BMP file of any colour mode.
        size_px: Side of the square.
        most_pixels: Width times height from which the image is refused, before it is decoded.

    Returns:
        A writable uint8 array ``(size_px, size_px, 3)``.

    Raises:
        ImageError: It is empty, of another format, too large, of too many scans, truncated or damaged.
    """
    try:
        with _open(data, most_pixels) as image:
            image.draft(None, (size_px, size_px))
            small = _to_plain_mode(image).resize((size_px, size_px), FILTER, reducing_gap=REDUCING_GAP)
            # A square can be turned after it was made small, at a fraction of the cost.
            return np.array(_turn_upright(_to_rgb(small), _orientation(image)))
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
        raise _refusal(error) from error


def examine(data: bytes, *, most_pixels: int = MOST_PIXELS) -> ImageFacts:
    """Read an image to its end, at the least cost that shows whether it is whole.

    Args:
        data: As for :func:`decode`.
        most_pixels: As for :func:`decode`.

    Raises:
        ImageError: :func:`decode` would refuse it.
    """
    try:
        with _open(data, most_pixels) as image:
            facts = ImageFacts(image.format or "", image.mode, image.width, image.height)
            image.draft(None, (1, 1))
            image.load()
            return replace(facts, orientation=_orientation(image))
    except ImageError:
        raise
    except Exception as error:  # as above
        raise _refusal(error) from error


def _open(data: bytes, most_pixels: int) -> Image.Image:
    if not data:
        raise ImageError("the file is empty")
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > most_pixels:
        raise _too_large(f"{image.width} x {image.height} pixels are more than the {most_pixels} that are decoded")
    # The first count is quick and never too low; a film behind the picture, as phones append one, makes it too high.
    if image.format == "JPEG" and _scan_markers(data) > MOST_SCANS and _scans(data) > MOST_SCANS:
        raise ImageError(f"a JPEG of more than {MOST_SCANS} scans is not decoded")
    return image


def _scan_markers(data: bytes) -> int:
    """Return how often the marker occurs anywhere, in a ninth of the time that ``bytes.count`` takes."""
    marker = int.from_bytes(START_OF_SCAN, "little")
    pairs = (np.frombuffer(data, "<u2", count=(len(data) - start) // 2, offset=start) for start in (0, 1))
    return sum(int(np.count_nonzero(at == marker)) for at in pairs)


def _scans(jpeg: bytes) -> int:
    """Return how many scans there are up to the end of the picture."""
    count, position = 0, 2
    while (marker := SEGMENT.search(jpeg, position)) is not None and marker[1][0] != END_OF_IMAGE:
        count += marker[1] == START_OF_SCAN[1:]
        # A segment's length counts its own two bytes.
        position = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2])
    return count


def _refusal(error: Exception) -> ImageError:
    if isinstance(error, UnidentifiedImageError):
        return ImageError("not a JPEG, PNG, WebP, GIF or BMP image")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning | MemoryError):
        return _too_large("more pixels than are decoded")
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    return ImageError(f"the image is damaged: {detail}")


def _too_large(reason: str) -> ImageError:
    return ImageError(reason, too_large=True)


def _to_plain_mode(image: Image.Image) -> Image.Image:
    """Return it in a mode that the filter can work on: L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):
        # 16 bits a sample (PNG knows no more). Pillow's own conversion would cut off instead of scaling.
        return Image.fromarray((np.asarray(image).clip(0, 0xFFFF) >> 8).astype(np.uint8))
    if image.has_transparency_data and image.mode not in {"LA", "RGBA"}:
        return image.convert("RGBA")
    if image.mode == "P":
        return image.convert("RGB")
    return image.convert("L") if image.mode == "1" else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode not in {"LA", "RGBA"}:
        return image.convert("RGB")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return canvas


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - a damaged EXIF block says nothing about the picture
        return 1
    return orientation if isinstance(orientation, int) and orientation in UPRIGHT else 1


def _turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)
