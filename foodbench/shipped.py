"""Finds what ships with foodbench: the experiments and the manifests, in a checkout and in a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from foodbench.errors import InputError

__all__ = ["find_experiment", "shipped_directory"]

PACKAGE = Path(__file__).resolve().parent


def shipped_directory(name: Literal["experiments", "manifests"]) -> Path:
    """Return the folder called ``name``: beside the package in a checkout, inside it in a wheel."""
    inside = PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def find_experiment(path_or_name: str) -> Path:
    """Return the experiment file meant by a path, or by the name of one that ships with foodbench.

    Raises:
        InputError: There is no such file.
    """
    path = Path(path_or_name)
    if path.suffix == ".toml" and path.is_file():
        return path
    shipped = shipped_directory("experiments")
    by_name = shipped / f"{path_or_name}.toml"
    if path.name == path_or_name and by_name.is_file():
        return by_name
    names = ", ".join(sorted(file.stem for file in shipped.glob("*.toml")))
    raise InputError(
        f"there is no experiment file {path_or_name}",
        f"Give the path of a .toml file, or one of those that come with foodbench: {names}",
    )
