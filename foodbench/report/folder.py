"""A run folder's records, read and joined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from foodbench.analysis.variants import VariantFacts, join_variants
from foodbench.errors import StoreError
from foodbench.records.base import Record
from foodbench.records.bundles import ServingBundle
from foodbench.records.models import ModelArtifact
from foodbench.records.runs import CellResult, Run
from foodbench.store import read_record, read_run

__all__ = ["RunFolder", "read_run_folder"]

AnyRecord = TypeVar("AnyRecord", bound=Record)


@dataclass(frozen=True)
class RunFolder:
    """All records of a run."""

    directory: Path
    run: Run
    cells: tuple[CellResult, ...]
    """In the order of the experiment's variants, then of the repeats."""
    models: tuple[ModelArtifact, ...]
    bundles: tuple[ServingBundle, ...]
    variants: tuple[VariantFacts, ...]
    """Those with a cell."""
    unmeasured: tuple[str, ...]
    """Names of the experiment's other variants: loads run by hand need not reach them all."""

    def cell_directory(self, cell: CellResult) -> Path:
        """Return the folder of a cell's streams."""
        return self.directory / "cells" / cell.cell


def read_run_folder(directory: Path) -> RunFolder:
    """Read a run folder, wherever it lies.

    Raises:
        StoreError: It is not one, or a record in it is damaged.
    """
    run, cells = read_run(directory)
    for cell in cells:
        # A run folder may come from someone else: its names must not lead out of it.
        if Path(cell.cell).name != cell.cell or cell.cell.startswith("."):
            raise StoreError(f"{directory} has a cell named {cell.cell!r}", "A cell's name is that of its folder")
    models = _sorted_as([spec.name for spec in run.experiment.models], _read_all(directory / "models", ModelArtifact))
    bundles = _read_all(directory / "bundles", ServingBundle)
    joined = join_variants(
        run.experiment.variants,
        cells,
        models,
        bundles,
        host=run.provenance,
        largest_accuracy_loss=run.experiment.packaging.largest_accuracy_loss,
    )
    variants = tuple(facts for facts in joined if facts.cells)
    in_order = tuple(cell for facts in variants for cell in facts.cells)
    unmeasured = tuple(facts.name for facts in joined if not facts.cells)
    return RunFolder(directory, run, in_order, models, bundles, variants, unmeasured)


def _read_all(folder: Path, kind: type[AnyRecord]) -> tuple[AnyRecord, ...]:
    return tuple(read_record(path, kind) for path in sorted(folder.glob("[!.]*.json")))


def _sorted_as(names: list[str], models: tuple[ModelArtifact, ...]) -> tuple[ModelArtifact, ...]:
    places = {name: place for place, name in enumerate(names)}
    return tuple(sorted(models, key=lambda model: (places.get(model.spec.name, len(places)), model.digest)))
