"""Looks into every image once, so that training never meets one that it cannot use."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from foodbench import imaging
from foodbench.data.layouts import FoundFile, Listing
from foodbench.data.parallel import each
from foodbench.data.properties import properties_of
from foodbench.errors import InputError
from foodbench.progress import Progress
from foodbench.records.base import DIGEST_LENGTH
from foodbench.records.datasets import SPLITS, DatasetRecord, ExcludedFile, ExclusionReason, Split, SplitCount

__all__ = ["verify"]

LARGEST_FILE_BYTES = 64 * 2**20
"""Several times what any camera writes."""

KEPT_FIRST: tuple[Split, ...] = ("evaluation", "validation", "training")
"""An image in two splits stays in the first of these: what is measured on stays comparable."""


@dataclass(frozen=True)
class _Checked:
    file: FoundFile
    sha256: str = ""
    facts: imaging.ImageFacts | None = None
    """None where the file is excluded."""
    excluded: ExcludedFile | None = None


def verify(listing: Listing, *, label: str, synthetic: bool, progress: Progress) -> DatasetRecord:
    """Read every image of ``listing`` to its end.

    Args:
        listing: The data set as its names tell it.
        label: Goes into the record.
        synthetic: Goes into the record.
        progress: Told how far it is.

    Returns:
        The record, which counts the images that can be used and names those that cannot.

    Raises:
        InputError: A class has no usable image in training or evaluation, or no class has one in validation.
    """
    checked = list(each(_check, listing.files, progress, "verifying images"))
    unusable = [item.excluded for item in checked if item.excluded is not None]
    usable, repeated = _without_repeats(item for item in checked if item.excluded is None)
    splits = tuple(_count(split, usable, len(listing.classes)) for split in SPLITS)
    excluded = (*listing.excluded, *unusable, *repeated)
    _require_every_class(listing, splits, excluded)
    facts = [item.facts for item in usable if item.facts is not None]
    return DatasetRecord(
        label=label,
        synthetic=synthetic,
        classes=listing.classes,
        digest=_digest(listing, usable),
        splits=splits,
        converted_to_rgb=sum(image.mode != "RGB" for image in facts),
        excluded=tuple(sorted(excluded, key=lambda item: item.path)),
        properties=properties_of(facts),
    )


def _check(file: FoundFile) -> _Checked:
    if file.size_bytes > LARGEST_FILE_BYTES:
        return _refused(file, "too-large", f"{file.size_bytes} bytes are more than {LARGEST_FILE_BYTES}")
    try:
        content = file.path.read_bytes()
    except OSError as error:
        return _refused(file, "corrupt", f"cannot be read: {error.strerror}")
    if not content:
        return _refused(file, "empty", "")
    try:
        facts = imaging.examine(content)
    except imaging.ImageError as error:
        return _refused(file, "too-large" if error.too_large else "corrupt", error.reason)
    return _Checked(file, hashlib.sha256(content).hexdigest(), facts)


def _refused(file: FoundFile, reason: ExclusionReason, detail: str) -> _Checked:
    return _Checked(file, excluded=ExcludedFile(path=file.name, reason=reason, detail=detail))


def _without_repeats(checked: Iterable[_Checked]) -> tuple[list[_Checked], list[ExcludedFile]]:
    kept: list[_Checked] = []
    repeated: list[ExcludedFile] = []
    seen: dict[str, FoundFile] = {}
    for item in sorted(checked, key=lambda item: KEPT_FIRST.index(item.file.split)):
        first = seen.setdefault(item.sha256, item.file)
        if first.split == item.file.split:
            kept.append(item)
        else:
            detail = f"the same as {first.name}"
            repeated.append(ExcludedFile(path=item.file.name, reason="duplicate-in-other-split", detail=detail))
    return kept, repeated


def _count(split: Split, usable: Iterable[_Checked], classes: int) -> SplitCount:
    counts = Counter(item.file.class_id for item in usable if item.file.split == split)
    return SplitCount(split=split, images_per_class=tuple(counts[class_id] for class_id in range(classes)))


def _require_every_class(listing: Listing, splits: Iterable[SplitCount], excluded: tuple[ExcludedFile, ...]) -> None:
    for count in splits:
        empty = [name for name, images in zip(listing.classes, count.images_per_class, strict=True) if images == 0]
        if empty and (count.split != "validation" or count.images == 0):
            example = f" ({excluded[0].path}: {excluded[0].reason})" if excluded else ""
            raise InputError(
                f"{listing.root} has no usable {count.split} image of class {', '.join(empty)}; "
                f"{len(excluded)} files are excluded{example}",
                "Add or repair images of it, or take the class out of all splits",
            )


def _digest(listing: Listing, usable: Iterable[_Checked]) -> str:
    lines = sorted(f"{item.file.split}\0{listing.classes[item.file.class_id]}\0{item.sha256}" for item in usable)
    content = "\n".join(("\0".join(listing.classes), *lines))
    return hashlib.sha256(content.encode()).hexdigest()[:DIGEST_LENGTH]
