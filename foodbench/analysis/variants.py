"""The cells of a run, gathered by variant and joined with the model and the bundle they served."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from foodbench.analysis.exports import AccuracyLoss, accuracy_loss
from foodbench.records.bundles import ServingBundle
from foodbench.records.experiments import LARGEST_ACCURACY_LOSS, Variant
from foodbench.records.loads import LoadResult
from foodbench.records.models import ModelArtifact
from foodbench.records.provenance import Provenance
from foodbench.records.runs import CellResult, Validity
from foodbench.records.traces import ResourceSummary

__all__ = ["Accuracy", "Measured", "Spread", "VariantFacts", "join_variants", "spread_of"]


@dataclass(frozen=True)
class Spread:
    """One figure over the repeats of a variant."""

    median: float
    low: float
    high: float
    repeats: int


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of what a variant serves, with its 95 % interval."""

    value: float
    low: float
    high: float

    def overlaps(self, other: Accuracy) -> bool:
        """Return whether the two intervals share a value, so that the numbers do not tell the two apart."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Measured:
    """A cell that was measured: load and resources are both there."""

    cell: CellResult
    load: LoadResult
    resources: ResourceSummary


@dataclass(frozen=True)
class VariantFacts:
    """All that a run knows of one variant."""

    variant: Variant
    cells: tuple[CellResult, ...]
    """Its repeats, in their order; empty where it was not reached."""
    model: ModelArtifact | None
    bundle: ServingBundle | None
    host: Provenance | None = None
    """The machine it was measured on."""
    largest_accuracy_loss: float = LARGEST_ACCURACY_LOSS
    """What its runtime may lose, as a fraction."""

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.variant.name

    @property
    def measured(self) -> tuple[Measured, ...]:
        """The repeats that were measured."""
        return tuple(
            Measured(cell, cell.load, cell.resources)
            for cell in self.cells
            if cell.status == "measured" and cell.load is not None and cell.resources is not None
        )

    @property
    def validity(self) -> Validity:
        """Valid where every repeat is; otherwise the first cause and its fix."""
        for cell in self.cells:
            if not cell.validity.valid:
                return cell.validity
        if not self.cells:
            return Validity(valid=False, cause="the run ended before this variant", fix="continue the run")
        return Validity(valid=True)

    @property
    def accuracy(self) -> Accuracy | None:
        """Accuracy of the packaged model; of the Keras model where no bundle is recorded."""
        if self.bundle is not None:
            found = self.bundle.fidelity
            return Accuracy(found.accuracy, found.accuracy_low, found.accuracy_high)
        if self.model is not None:
            evaluation = self.model.evaluation
            return Accuracy(evaluation.accuracy, evaluation.accuracy_low, evaluation.accuracy_high)
        return None

    @property
    def accuracy_loss(self) -> AccuracyLoss | None:
        """What its runtime lost against the Keras model; None where no record knows."""
        return None if self.bundle is None else accuracy_loss(self.bundle.fidelity, self.largest_accuracy_loss)

    @property
    def marks(self) -> tuple[str, ...]:
        """What must be said wherever this variant's accuracy is shown."""
        return ("model not recorded",) if self.model is None else self.model.marks

    def spread(self, figure: Callable[[Measured], float | None]) -> Spread | None:
        """Return ``figure`` over the measured repeats; None where none has it."""
        return spread_of(figure(measured) for measured in self.measured)


def spread_of(values: Iterable[float | None]) -> Spread | None:
    """Return median, least and most of the values that are there; None where there are none."""
    present = [value for value in values if value is not None]
    if not present:
        return None
    return Spread(statistics.median(present), min(present), max(present), len(present))


def join_variants(
    variants: Sequence[Variant],
    cells: Sequence[CellResult],
    models: Sequence[ModelArtifact],
    bundles: Sequence[ServingBundle],
    *,
    host: Provenance | None = None,
    largest_accuracy_loss: float = LARGEST_ACCURACY_LOSS,
) -> tuple[VariantFacts, ...]:
    """Gather the cells by variant, in the order of ``variants``.

    A cell of a variant that is not among ``variants`` gets a place of its own at the end.

    Args:
        variants: Those of the experiment.
        cells: What was measured of them.
        models: The models they serve.
        bundles: The bundles they serve.
        host: The machine the cells were measured on.
        largest_accuracy_loss: What a runtime may lose against its Keras model, as a fraction.
    """
    model_of = {model.digest: model for model in models}
    bundle_of = {bundle.digest: bundle for bundle in bundles}
    known = {variant.name: variant for variant in variants}
    for cell in cells:
        known.setdefault(cell.variant.name, cell.variant)
    facts = []
    for name, variant in known.items():
        own = tuple(sorted((cell for cell in cells if cell.variant.name == name), key=lambda cell: cell.repeat))
        model = next((model_of[cell.model_digest] for cell in own if cell.model_digest in model_of), None)
        bundle = next((bundle_of[cell.bundle_digest] for cell in own if cell.bundle_digest in bundle_of), None)
        model = model or _model_named(models, variant.model)
        facts.append(VariantFacts(variant, own, model, bundle, host, largest_accuracy_loss))
    return tuple(facts)


def _model_named(models: Sequence[ModelArtifact], name: str) -> ModelArtifact | None:
    return next((model for model in models if model.spec.name == name), None)
