"""From what an experiment names to a data set that was verified."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from foodbench.data.archives import archive_digest, unpack
from foodbench.data.dataset import Dataset, LabelledFile
from foodbench.data.layouts import Listing, list_files
from foodbench.data.synthetic import DRAWING_VERSION, draw
from foodbench.data.verification import verify
from foodbench.errors import InputError, MachineError, StoreError
from foodbench.progress import Progress
from foodbench.records.base import digest_of
from foodbench.records.datasets import SPLITS, DatasetRecord
from foodbench.records.experiments import DataSpec
from foodbench.store import Store, read_record, write_record

__all__ = ["prepare"]

VERIFICATION_VERSION = 2
"""Raised when verification comes to other results, so that none of before is used again."""


def prepare(spec: DataSpec, store: Store, progress: Progress) -> Dataset:
    """Draw, unpack or find a data set, and verify it.

    What was drawn or unpacked is kept in the store, and so is the outcome of the verification: it is done again
    only once a file was added, removed or changed. Nothing is ever written into a folder of the user's.

    Args:
        spec: Which data set.
        store: Where to keep what was made.
        progress: Told how far it is, and how many files are excluded.

    Raises:
        InputError: The path is not there, is no data set, or has a class without usable images.
        MachineError: The disk is full or cannot be written.
    """
    listing = list_files(_locate(spec, store, progress))
    record = _verified(listing, spec, store, progress)
    if record.excluded:
        counts = Counter(file.reason for file in record.excluded)
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        progress.say(f"{len(record.excluded)} files of {listing.root} are excluded: {reasons}")
    return _dataset(listing, record)


def _locate(spec: DataSpec, store: Store, progress: Progress) -> Path:
    if (spec.path is None) == (spec.synthetic is None):
        raise InputError("the data need either a path or a synthetic set", "Give one of the two")
    if spec.synthetic is not None:
        drawn = store.data_directory(digest_of("synthetic", DRAWING_VERSION, spec.synthetic))
        if not drawn.exists():
            with _filling(drawn, store) as directory:
                draw(spec.synthetic, directory, progress)
        return drawn
    path = Path(spec.path or "").expanduser().resolve()
    if path.is_dir():
        return path
    if not path.is_file():
        raise InputError(f"there is no folder or archive {path}", "Give the path of a data set")
    unpacked = store.data_directory(archive_digest(path))
    if not unpacked.exists():
        with _filling(unpacked, store) as directory:
            unpack(path, directory, progress)
    return unpacked


@contextlib.contextmanager
def _filling(final: Path, store: Store) -> Iterator[Path]:
    try:
        with store.fresh_directory(final) as directory:
            yield directory
    except OSError as error:
        raise MachineError(
            f"cannot write {final}: {error.strerror or error}",
            "Free some disk space, or choose another folder with --results",
        ) from error


def _verified(listing: Listing, spec: DataSpec, store: Store, progress: Progress) -> DatasetRecord:
    key = digest_of("verified", VERIFICATION_VERSION, listing.fingerprint)
    path = store.data_directory(key) / "dataset.json"
    told = {"label": spec.label, "synthetic": spec.synthetic is not None}
    try:
        return read_record(path, DatasetRecord).model_copy(update=told)
    except StoreError:
        # Missing, damaged, or of another version: it can always be made again.
        record = verify(listing, label=spec.label, synthetic=spec.synthetic is not None, progress=progress)
        write_record(path, record, replace=True)
        return record


def _dataset(listing: Listing, record: DatasetRecord) -> Dataset:
    excluded = {file.path for file in record.excluded}
    used = [file for file in listing.files if file.name not in excluded]
    files = {
        split: tuple(LabelledFile(file.path, file.class_id) for file in used if file.split == split) for split in SPLITS
    }
    return Dataset(record, listing.root, files)
