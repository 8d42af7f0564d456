"""Unpacks an archive that nobody has vouched for."""

from __future__ import annotations

import errno
import hashlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from foodbench.errors import InputError, MachineError
from foodbench.progress import Progress
from foodbench.records.base import digest_of

__all__ = ["ArchiveLimits", "archive_digest", "unpack"]

CHUNK_BYTES = 2**20
ENTRIES_PER_STEP = 256
LONGEST_PADDING_BYTES = 64 * 2**20
"""What is read of the zeros after a tar archive's end at most; GNU tar writes up to 10 KiB by default."""
MACHINE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.EIO}
DAMAGE = (EOFError, RuntimeError, ValueError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)
"""What the readers raise for a damaged archive; RuntimeError for a password or an unknown compression."""

JUNK_FOLDER = "__MACOSX"


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may grow to. The defaults hold fifty times Food-11."""

    most_files: int = 1_000_000
    most_bytes: int = 64 * 2**30


@dataclass(frozen=True)
class _Entry:
    name: str
    refused_as: str | None
    """What it is, where it is neither a file nor a folder."""
    open: Callable[[], IO[bytes] | None] | None
    """None for a folder."""


def archive_digest(archive: Path) -> str:
    """Return what an archive is known by: its size, time of change, first and last MiB.

    Reading a gigabyte again at each start would take longer than all else that a second start does.
    """
    status = archive.stat()
    content = hashlib.sha256()
    with archive.open("rb") as file:
        content.update(file.read(CHUNK_BYTES))
        file.seek(max(0, status.st_size - CHUNK_BYTES))
        content.update(file.read(CHUNK_BYTES))
    return digest_of("archive", status.st_size, status.st_mtime_ns, content.hexdigest())


def unpack(archive: Path, directory: Path, progress: Progress, *, limits: ArchiveLimits | None = None) -> None:
    """Unpack the files of a zip or tar archive (plain, gzip, bzip2 or xz).

    Hidden files and macOS' resource forks are left out, empty folders too. Permissions and times are not kept.

    Args:
        archive: The archive.
        directory: An empty folder that nobody else writes to.
        progress: Told how far it is.
        limits: What it may grow to.

    Raises:
        InputError: It is no such archive, is damaged or encrypted, is larger than the limits, or holds
            a link, a device, or a name that leads out of ``directory``.
        MachineError: The disk is full or cannot be written.
    """
    try:
        with archive.open("rb") as raw:
            entries = _zip_entries(raw) if raw.read(2) == b"PK" else _tar_entries(raw)
            _write(entries, directory, limits or ArchiveLimits(), _reporter(archive, raw, progress))
    except InputError as error:
        raise InputError(f"{archive}: {error.problem}", error.remedy) from error
    except OSError as error:
        if error.errno in MACHINE_ERRNOS:
            raise MachineError(
                f"cannot unpack {archive}: {error.strerror}", "Free some disk space, or choose another --results folder"
            ) from error
        raise _damaged(archive, error) from error
    except DAMAGE as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> InputError:
    detail = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"{archive} cannot be unpacked: {detail}",
        "It should be a whole zip, tar, tar.gz, tar.bz2 or tar.xz archive without a password; fetch it again, "
        "or unpack it yourself and give the folder",
    )


def _reporter(archive: Path, raw: IO[bytes], progress: Progress) -> Callable[[], None]:
    total = archive.stat().st_size
    return lambda: progress.step(f"unpacking {archive.name}", min(raw.tell(), total), total)


def _zip_entries(raw: IO[bytes]) -> Iterator[_Entry]:
    with zipfile.ZipFile(raw) as archive:
        for member in archive.infolist():
            file_type = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                yield _Entry(member.filename, None, None)
            elif file_type in {0, stat.S_IFREG}:
                yield _Entry(member.filename, None, partial(archive.open, member))
            else:
                yield _Entry(member.filename, "a link or device", None)


def _tar_entries(raw: IO[bytes]) -> Iterator[_Entry]:
    raw.seek(0)
    with tarfile.open(fileobj=raw, mode="r:*") as archive:
        for member in archive:
            if member.isdir():
                yield _Entry(member.name, None, None)
            elif member.isreg() and not member.issparse():
                yield _Entry(member.name, None, partial(archive.extractfile, member))
            else:
                yield _Entry(member.name, "a link, device or sparse file", None)
        _require_end(archive)


def _require_end(archive: tarfile.TarFile) -> None:
    """Raise unless the archive ends as it should: tarfile takes any damaged header but the first for the end."""
    if archive.fileobj is None:
        raise tarfile.ReadError("the archive is closed")
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"no end of the archive where its entries end, at byte {archive.offset}")
    # A compressed file's checksum is compared only at its end.
    while archive.fileobj.tell() < archive.offset + LONGEST_PADDING_BYTES and archive.fileobj.read(CHUNK_BYTES):
        pass


def _write(entries: Iterator[_Entry], directory: Path, limits: ArchiveLimits, report: Callable[[], None]) -> None:
    files, left_bytes = 0, limits.most_bytes
    for count, entry in enumerate(entries, start=1):
        if count > 2 * limits.most_files:
            raise InputError(f"it holds more than {2 * limits.most_files} entries", "No data set that fits does")
        name = _safe_name(entry.name)
        if entry.refused_as is not None:
            raise InputError(f"it holds {entry.refused_as} ({name})", "Unpack it yourself and give the folder")
        if _is_junk(name):
            continue
        if entry.open is None:
            # An empty one may be a class that lacks its images.
            (directory / name).mkdir(parents=True, exist_ok=True)
            continue
        source = entry.open()
        if source is None:
            continue
        files += 1
        if files > limits.most_files:
            raise InputError(f"it holds more than {limits.most_files} files", "No data set that fits does")
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("wb") as file:
            left_bytes -= _copy(source, file, left_bytes)
        if left_bytes < 0:
            raise InputError(
                f"it unpacks to more than {limits.most_bytes} bytes",
                "If it is right, unpack it yourself and give the folder",
            )
        if files % ENTRIES_PER_STEP == 0:
            report()
    report()


def _copy(source: IO[bytes], target: IO[bytes], most_bytes: int) -> int:
    """Copy until the end or just past ``most_bytes``; a header's word on the size is not taken."""
    copied = 0
    while copied <= most_bytes and (chunk := source.read(CHUNK_BYTES)):
        target.write(chunk)
        copied += len(chunk)
    return copied


def _safe_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise InputError(f"it holds a name that leads out of its own folder ({name!r})", "Do not trust this archive")
    return path


def _is_junk(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == JUNK_FOLDER for part in path.parts)
