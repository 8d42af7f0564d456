"""Finds the splits, the classes and the files of a data set on disk. Reads names, never contents.

Two layouts are known: Food-11's own, ``<split>/<class id>_<n>.jpg``, and class folders,
``<split>/<class>/<any name>.jpg``. The splits go by the names in SPLIT_NAMES.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from foodbench.data.classes import Label, class_names, known_labels
from foodbench.errors import InputError
from foodbench.records.datasets import SPLITS, ExcludedFile, Split

__all__ = ["FoundFile", "Listing", "list_files"]

SPLIT_NAMES: dict[str, Split] = {
    "training": "training",
    "train": "training",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "evaluation": "evaluation",
    "eval": "evaluation",
    "test": "evaluation",
    "testing": "evaluation",
}
"""Folder names, in small letters."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
JUNK_NAMES = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
ID_NAME = re.compile(r"(?P<id>\d{1,4})_\d+", re.ASCII)
DEEPEST_ROOT = 3
"""Folders between what the user names and the splits: archives often wrap a data set once or twice."""

LAYOUT_REMEDY = (
    "It should hold the folders training, validation and evaluation (or train, val, test), each with images called "
    "<class id>_<n>.jpg or with a folder for each class"
)


@dataclass(frozen=True)
class FoundFile:
    """A file that is named as an image of a known class."""

    split: Split
    class_id: int
    path: Path
    name: str
    """Relative to the root, as it is shown."""
    size_bytes: int


@dataclass(frozen=True)
class Listing:
    """A data set as its names tell it."""

    root: Path
    classes: tuple[str, ...]
    files: tuple[FoundFile, ...]
    """By split, class and name."""
    excluded: tuple[ExcludedFile, ...]
    fingerprint: str
    """Of the root, every file's name, size and time of change, and the empty folders of classes."""


@dataclass(frozen=True)
class _Candidate:
    split: Split
    label: Label | None
    """None where the name says no class."""
    path: Path
    name: str
    size_bytes: int
    mtime_ns: int


def list_files(directory: Path) -> Listing:
    """List the data set in ``directory`` or in a folder that it wraps.

    A class is known where it has files in two splits or more; the files of others are excluded.

    Raises:
        InputError: There is no such data set, a split is missing, or its classes cannot be told.
    """
    root, folders = _find_root(directory)
    by_folder = _has_class_folders(folders["training"])
    candidates = [
        candidate for split in SPLITS for candidate in _candidates(root, split, folders[split], by_folder=by_folder)
    ]
    labels = known_labels(_labels_by_split(candidates), root)
    names = class_names(labels)
    ids = {label: class_id for class_id, label in enumerate(labels)}
    files = [
        FoundFile(candidate.split, ids[candidate.label], candidate.path, candidate.name, candidate.size_bytes)
        for candidate in candidates
        if candidate.label is not None and candidate.label in ids
    ]
    excluded = [
        _exclusion(candidate, by_folder=by_folder)
        for candidate in candidates
        if candidate.label is None or candidate.label not in ids
    ]
    empty = list(_empty_classes(root, folders, {item.label for item in candidates})) if by_folder else []
    order = {split: place for place, split in enumerate(SPLITS)}
    files.sort(key=lambda file: (order[file.split], file.class_id, file.name))
    return Listing(root, names, tuple(files), (*excluded, *empty), _fingerprint(root, candidates, empty))


def _find_root(directory: Path) -> tuple[Path, Mapping[Split, Path]]:
    level = [directory]
    for _depth in range(DEEPEST_ROOT + 1):
        roots = [(folder, splits) for folder in level if "training" in (splits := _split_folders(folder))]
        roots = [(folder, splits) for folder, splits in roots if len(splits) > 1]
        if len(roots) > 1:
            both = " and ".join(folder.name for folder, _splits in roots[:2])
            raise InputError(f"{directory} holds more than one data set ({both})", "Give the folder of one of them")
        if roots:
            return _whole(*roots[0])
        level = [Path(entry.path) for folder in level for entry in _entries(folder) if entry.is_dir()]
    raise InputError(f"{directory} holds no data set", LAYOUT_REMEDY)


def _split_folders(folder: Path) -> dict[Split, list[Path]]:
    found: dict[Split, list[Path]] = {}
    for entry in _entries(folder):
        split = SPLIT_NAMES.get(entry.name.lower())
        if split is not None and entry.is_dir():
            found.setdefault(split, []).append(Path(entry.path))
    return found


def _whole(root: Path, folders: Mapping[Split, list[Path]]) -> tuple[Path, Mapping[Split, Path]]:
    for split in SPLITS:
        if split not in folders:
            raise InputError(f"{root} has no {split} folder", LAYOUT_REMEDY)
        if len(folders[split]) > 1:
            names = " and ".join(folder.name for folder in folders[split])
            raise InputError(f"{root} has two folders for {split}: {names}", "Move one of them elsewhere")
    return root, {split: folders[split][0] for split in SPLITS}


def _has_class_folders(training: Path) -> bool:
    return sum(entry.is_dir() for entry in _entries(training)) > 1


def _candidates(root: Path, split: Split, folder: Path, *, by_folder: bool) -> Iterator[_Candidate]:
    for entry, inside in _walk(folder):
        label = _folder_label(entry, inside) if by_folder else _id_label(entry, inside)
        status = entry.stat(follow_symlinks=not _leads_nowhere(entry))
        yield _Candidate(split, label, Path(entry.path), _shown(entry.path, root), status.st_size, status.st_mtime_ns)


def _walk(folder: Path, inside: tuple[str, ...] = ()) -> Iterator[tuple[os.DirEntry[str], tuple[str, ...]]]:
    """Yield each file, and the folders it lies in below the split's."""
    for entry in _entries(folder):
        if entry.is_file() or _leads_nowhere(entry):
            yield entry, inside
        elif entry.is_dir() and len(inside) < DEEPEST_ROOT:
            yield from _walk(Path(entry.path), (*inside, entry.name))


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether it is a link to what is not there: listed, so that it is counted among the unreadable."""
    return entry.is_symlink() and not Path(entry.path).exists()


def _folder_label(entry: os.DirEntry[str], inside: tuple[str, ...]) -> Label | None:
    return _printable(inside[0]) if len(inside) == 1 and _is_image_name(entry.name) else None


def _id_label(entry: os.DirEntry[str], inside: tuple[str, ...]) -> Label | None:
    match = ID_NAME.fullmatch(Path(entry.name).stem)
    return int(match["id"]) if match and not inside and _is_image_name(entry.name) else None


def _is_image_name(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def _labels_by_split(candidates: list[_Candidate]) -> dict[Split, set[Label]]:
    return {
        split: {item.label for item in candidates if item.split == split and item.label is not None} for split in SPLITS
    }


def _exclusion(candidate: _Candidate, *, by_folder: bool) -> ExcludedFile:
    if candidate.label is None:
        wanted = "<class>/<name>.jpg" if by_folder else "<class id>_<n>.jpg"
        return ExcludedFile(
            path=candidate.name, reason="wrong-name", detail=f"should be {wanted} (or png, webp, gif, bmp)"
        )
    return ExcludedFile(
        path=candidate.name,
        reason="unknown-class",
        detail=f"class {candidate.label} is not in training and another split",
    )


def _empty_classes(root: Path, folders: Mapping[Split, Path], seen: set[Label | None]) -> Iterator[ExcludedFile]:
    """Yield the folders of classes of which no split has a file: nothing else would tell of them."""
    for split in SPLITS:
        for entry in _entries(folders[split]):
            if entry.is_dir() and _printable(entry.name) not in seen:
                detail = "the folder holds no image of this class, nor does another split's"
                yield ExcludedFile(path=_shown(entry.path, root), reason="empty-class", detail=detail)


def _fingerprint(root: Path, candidates: list[_Candidate], empty: list[ExcludedFile]) -> str:
    content = hashlib.sha256(os.fsencode(root))
    for item in candidates:
        content.update(f"\n{item.name}\0{item.size_bytes}\0{item.mtime_ns}".encode())
    for folder in empty:
        content.update(f"\n{folder.path}".encode())
    return content.hexdigest()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            kept = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in JUNK_NAMES]
    except OSError as error:
        raise InputError(
            f"cannot read the folder {folder}: {error.strerror}", "Make it readable, or give another"
        ) from error
    return sorted(kept, key=lambda entry: entry.name)


def _shown(path: str, root: Path) -> str:
    return _printable(os.path.relpath(path, root).replace(os.sep, "/"))


def _printable(name: str) -> str:
    """Return a name that can be written as UTF-8, which a file's name need not be."""
    return name.encode("utf-8", "backslashreplace").decode()
