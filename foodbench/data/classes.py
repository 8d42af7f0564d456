"""Which classes a data set has, from the labels its names carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from foodbench.data.dataset import FOOD11_CLASSES
from foodbench.errors import InputError
from foodbench.records.datasets import SPLITS, Split

__all__ = ["Label", "class_names", "known_labels"]

Label = int | str
"""A class id (Food-11's own layout) or the name of a class folder; one kind within a data set."""


def known_labels(by_split: Mapping[Split, set[Label]], root: Path) -> tuple[Label, ...]:
    """Return the labels of the classes, in their order.

    A label that is found in one split only is left out: nothing learnt of it could be tested, or nothing tested
    of it learnt. Where Food-11's ids 0 to 10 are all there, an id that does not follow on is out of range.

    Raises:
        InputError: Fewer than two classes, a class without training or evaluation image, or a gap in the ids.
    """
    everywhere = set().union(*by_split.values())
    known = {label for label in everywhere if sum(label in by_split[split] for split in SPLITS) > 1}
    ids = {label for label in known if isinstance(label, int)}
    if ids:
        known = set(_contiguous(ids, root))
    if len(known) < 2:
        raise InputError(
            f"{root} has images of fewer than two classes in training and evaluation",
            "Images should be called <class id>_<n>.jpg or lie in a folder for each class, the same in every split",
        )
    ordered = tuple(sorted(known, key=_order))
    for split in ("training", "evaluation"):
        missing = [str(label) for label in ordered if label not in by_split[split]]
        if missing:
            raise InputError(
                f"{root} has no {split} image of class {', '.join(missing)}",
                "Add some, or take the class out of all splits",
            )
    return ordered


def class_names(labels: Iterable[Label]) -> tuple[str, ...]:
    """Return the classes' names: the folders', Food-11's for the ids 0 to 10, else "class <id>"."""
    labels = tuple(labels)
    if labels == tuple(range(len(FOOD11_CLASSES))):
        return FOOD11_CLASSES
    return tuple(label if isinstance(label, str) else f"class {label}" for label in labels)


def _contiguous(ids: set[int], root: Path) -> range:
    run = 0
    while run in ids:
        run += 1
    if run != len(ids) and run != len(FOOD11_CLASSES):
        raise InputError(
            f"{root} has class ids up to {max(ids)}, but none or only one split with id {run}",
            "Class ids should be 0, 1, 2 ... without a gap, each in training and evaluation",
        )
    return range(run)


def _order(label: Label) -> tuple[bool, int, str]:
    """Numbers by value, before names by letters."""
    text = str(label)
    number = text.isascii() and text.isdigit()
    return not number, int(text) if number else 0, text
