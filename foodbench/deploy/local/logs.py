"""The last thing a process said, as evidence."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["last_line"]

TAIL_BYTES = 8192
LONGEST_LINE = 300


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty, cut to a readable length, without a full stop."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        if lines:
            return lines[-1][:LONGEST_LINE].rstrip(".")
    return "it wrote nothing"
