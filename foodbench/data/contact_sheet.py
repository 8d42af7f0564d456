"""One picture of a data set: a row a class, with some of its images."""

from __future__ import annotations

import hashlib
import heapq
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from foodbench.data.arrays import decode_verified
from foodbench.data.dataset import Dataset, LabelledFile
from foodbench.data.parallel import each
from foodbench.errors import InputError, MachineError
from foodbench.imaging import MOST_PIXELS
from foodbench.progress import Progress
from foodbench.records.datasets import Split

__all__ = ["draw_contact_sheet", "write_contact_sheet"]

THUMBNAIL_PX = 96
GAP_PX = 4
LABEL_PX = 220
"""Width of the column of names and counts."""
HEADER_PX = 28

INK, FAINT, PAPER = "#1a1a1a", "#666666", "#ffffff"

FONT_FILE = "fonts/ttf/DejaVuSans.ttf"
"""In Matplotlib's own data: it has the letters that names of dishes are written with, and is there on every machine."""

CELL_PX = THUMBNAIL_PX + GAP_PX


def draw_contact_sheet(dataset: Dataset, split: Split, images_per_class: int, progress: Progress) -> Image.Image:
    """Draw a sheet with a row for each class: its name, its images in each split, and some of those of ``split``.

    A thumbnail is what a model is given, small: the whole image, upright, in RGB, its sides scaled each for itself.
    Which are shown depends on their names alone, so a data set gives the same sheet everywhere, and a new image
    displaces few. In memory there are no more than the sheet, its thumbnails, and the images that are decoded just now.

    Args:
        dataset: A verified data set.
        split: Whose images are shown.
        images_per_class: How many at most, 1 or more.
        progress: Told how far it is.

    Returns:
        An RGB picture of no more than ``foodbench.imaging.MOST_PIXELS`` pixels.

    Raises:
        InputError: The sheet would be larger, or a file has changed since it was verified.
    """
    classes = len(dataset.record.classes)
    width, height = LABEL_PX + images_per_class * CELL_PX, HEADER_PX + classes * CELL_PX
    if width * height > MOST_PIXELS:
        most = (MOST_PIXELS // height - LABEL_PX) // CELL_PX
        raise InputError(
            f"received {images_per_class} images per class; of {classes} classes a sheet can hold {max(0, most)}",
            "Choose fewer with --images-per-class" if most > 0 else "Show a data set of fewer classes",
        )
    sheet = Image.new("RGB", (width, height), PAPER)
    _label(ImageDraw.Draw(sheet), dataset, split)
    places = [
        (column, file)
        for class_id in range(classes)
        for column, file in enumerate(_chosen(dataset, split, class_id, images_per_class))
    ]
    thumbnails = each(
        lambda place: decode_verified(place[1].path, THUMBNAIL_PX), places, progress, f"drawing {split} images"
    )
    for (column, file), pixels in zip(places, thumbnails, strict=True):
        sheet.paste(Image.fromarray(pixels), (LABEL_PX + column * CELL_PX, HEADER_PX + file.class_id * CELL_PX))
    return sheet


def write_contact_sheet(sheet: Image.Image, path: Path) -> None:
    """Write ``sheet`` as a PNG file, whole or not at all.

    Raises:
        InputError: There is a file already.
        MachineError: The disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with temporary.open("xb") as file:
                sheet.save(file, "PNG")
            os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise InputError(f"{path} is already there", "Choose another file with --output") from None
    except OSError as error:
        raise MachineError(
            f"cannot write {path}: {error.strerror or error}", "Free some disk space, or choose another folder"
        ) from error


def _chosen(dataset: Dataset, split: Split, class_id: int, count: int) -> list[LabelledFile]:
    """Return ``count`` images as if by chance: those next to each other by name often come from one place."""

    def rank(file: LabelledFile) -> bytes:
        return hashlib.sha256(os.fsencode(file.path.relative_to(dataset.root))).digest()

    return heapq.nsmallest(count, (file for file in dataset.files[split] if file.class_id == class_id), key=rank)


def _label(draw: ImageDraw.ImageDraw, dataset: Dataset, split: Split) -> None:
    record = dataset.record
    synthetic = " (synthetic)" if record.synthetic else ""
    draw.text((GAP_PX, GAP_PX), f"{record.label}{synthetic}: {split} images", INK, _font(15))
    for class_id, name in enumerate(record.classes):
        top = HEADER_PX + class_id * CELL_PX
        draw.text((GAP_PX, top), _shortened(name, LABEL_PX - 2 * GAP_PX, _font(14)), INK, _font(14))
        for line, text in enumerate(_counts(dataset, class_id)):
            draw.text((GAP_PX, top + 22 + 16 * line), text, FAINT, _font(11))


def _counts(dataset: Dataset, class_id: int) -> Iterator[str]:
    for count in dataset.record.splits:
        yield f"{count.split} {count.images_per_class[class_id]:,}"


def _shortened(text: str, width_px: int, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= width_px:
        return text
    kept = len(text)
    while kept and font.getlength(text[:kept] + "…") > width_px:
        kept -= 1
    return text[:kept] + "…"


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(mpl.get_data_path(), FONT_FILE)), size_px)
