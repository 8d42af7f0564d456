"""Reading and writing the kernel's one-value files."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from foodbench.deploy.local.limits.base import LimiterUnavailable

__all__ = ["make_group", "read_counter", "read_number", "remove_group", "write_value"]

REMOVAL_TIMEOUT_S = 2.0


def make_group(path: Path) -> None:
    """Make a cgroup.

    Raises:
        LimiterUnavailable: It cannot be made.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise LimiterUnavailable(f"cannot make {path}: {error.strerror}") from error


def remove_group(path: Path) -> None:
    """Remove a cgroup. The kernel takes a moment to let go of one whose last process has just ended."""
    deadline = time.monotonic() + REMOVAL_TIMEOUT_S
    while path.exists():
        with contextlib.suppress(OSError):
            path.rmdir()
            return
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


def write_value(path: Path, value: int | str) -> None:
    """Write one value.

    Raises:
        LimiterUnavailable: It is not accepted.
    """
    try:
        path.write_text(f"{value}\n")
    except OSError as error:
        raise LimiterUnavailable(f"cannot write {value} to {path}: {error.strerror}") from error


def read_counter(path: Path, name: str) -> int | None:
    """Return one counter of a file of "name value" lines, or None where it has none."""
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            found, _, value = line.partition(" ")
            if found == name:
                return int(value)
    return None


def read_number(path: Path) -> int | None:
    """Return the number a file holds, or None."""
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None
