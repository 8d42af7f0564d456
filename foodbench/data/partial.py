"""A download that is not whole yet: its bytes, and what of the server's file they are."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Any

from foodbench.errors import InputError

__all__ = ["PartialFile", "opened_partial"]

LONGEST_NOTE_BYTES = 4096


@dataclass
class PartialFile:
    """The bytes received so far, in a hidden file beside the target, held by one process at a time."""

    file: BufferedRandom
    path: Path
    note: Path
    address_digest: str
    """The address itself may hold a token."""

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return self.file.seek(0, os.SEEK_END)

    def validator(self) -> str | None:
        """Return what the server named this version of its file; None where nothing can be gone on with."""
        try:
            if self.note.stat().st_size > LONGEST_NOTE_BYTES:
                return None
            content: Any = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        known = isinstance(content, dict) and content.get("address") == self.address_digest
        validator = content.get("validator") if known else None
        return validator if isinstance(validator, str) else None

    def begin(self, validator: str | None) -> None:
        """Drop all bytes: what follows is another version, known by ``validator``."""
        self.note.unlink(missing_ok=True)
        self.file.truncate(0)
        self.file.seek(0)
        if validator is not None:
            note = json.dumps({"address": self.address_digest, "validator": validator})
            self.note.write_text(note, encoding="utf-8")

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def sha256(self) -> str:
        """Return the SHA-256 of all bytes, in hexadecimal."""
        self.file.flush()
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()

    def become(self, target: Path) -> None:
        """Become ``target``, whole.

        Raises:
            FileExistsError: It is there by now.
            OSError: The disk failed.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        # A link, unlike a rename, does not replace what came in the meantime.
        os.link(self.path, target)
        self.discard()


@contextmanager
def opened_partial(target: Path, address: str) -> Iterator[PartialFile]:
    """Give the unfinished download of ``target`` from ``address``, new or left by an earlier one.

    Raises:
        InputError: Another process is at it.
    """
    path = target.with_name(f".{target.name}.part")
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{target} is being fetched by another process", "Wait for it, or end it") from None
        digest = hashlib.sha256(address.encode()).hexdigest()
        yield PartialFile(file, path, path.with_name(f"{path.name}.json"), digest)
