"""Which cgroups a process is in, and where they are in the file system."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["Membership", "read_membership"]


@dataclass(frozen=True)
class Membership:
    """The cgroups of one process, as folders.

    ``unified`` is None where cgroup v2 is not mounted; ``v1`` holds one folder a mounted controller.
    Each folder comes with the mount point it lies under.
    """

    unified: tuple[Path, Path] | None
    v1: dict[str, tuple[Path, Path]]


def read_membership(pid: int | None = None, *, root: Path = Path("/")) -> Membership:
    """Read the cgroups of a process.

    Args:
        pid: Whose; None for this process.
        root: Where /proc and /sys are found; another one in tests.
    """
    mounts = _mounts(root)
    unified: tuple[Path, Path] | None = None
    v1: dict[str, tuple[Path, Path]] = {}
    who = "self" if pid is None else str(pid)
    try:
        lines = (root / "proc" / who / "cgroup").read_text().splitlines()
    except OSError:
        return Membership(None, {})
    for line in lines:
        hierarchy, names, path = line.split(":", 2)
        for controller in names.split(","):
            mount = mounts.get("" if hierarchy == "0" else controller)
            folder = None if mount is None else _folder(mount, path)
            if mount is None or folder is None:
                continue
            if hierarchy == "0":
                unified = (mount[0], folder)
            else:
                v1[controller] = (mount[0], folder)
    return Membership(unified, v1)


def _mounts(root: Path) -> dict[str, tuple[Path, PurePosixPath]]:
    """Return mount point and mounted root of each v1 controller, and of v2 under the empty name."""
    found: dict[str, tuple[Path, PurePosixPath]] = {}
    try:
        lines = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        fields = before.split(" ")
        if kind not in ("cgroup", "cgroup2"):
            continue
        mount = (root / fields[4].lstrip("/"), PurePosixPath(fields[3]))
        names = [""] if kind == "cgroup2" else options.split(" ")[-1].split(",")
        for name in names:
            found.setdefault(name, mount)
    return found


def _folder(mount: tuple[Path, PurePosixPath], path: str) -> Path | None:
    point, mounted_root = mount
    relative = os.path.relpath(path, mounted_root)
    if relative.startswith(".."):
        return None
    return point / relative if relative != "." else point
