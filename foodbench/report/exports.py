"""What each runtime makes of a model: fidelity, size, time to load, memory, latency. One list behind every table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foodbench.analysis.exports import AccuracyLoss, accuracy_loss
from foodbench.records.bundles import RuntimeCost, ServingBundle
from foodbench.records.experiments import LARGEST_ACCURACY_LOSS
from foodbench.records.models import ModelArtifact
from foodbench.report.figures import figure_text
from foodbench.report.summary import Row, Section, Shown, Summary, Value

__all__ = ["export_rows", "export_summary"]

MIB = 2**20


@dataclass(frozen=True)
class _Export:
    """A bundle, the model it was made from, and what its runtime lost."""

    bundle: ServingBundle
    model: ModelArtifact | None
    loss: AccuracyLoss | None

    @property
    def name(self) -> str:
        return f"{self.bundle.model_name}.{self.bundle.runtime}"


@dataclass(frozen=True)
class _Column:
    name: str
    """In CSV files, unit included; empty for what only the tables for people show."""
    label: str
    """In tables for people; empty for what only CSV files hold."""
    decimals: int
    of: Callable[[_Export], float | str | None]


def _of_cost(figure: Callable[[RuntimeCost], float]) -> Callable[[_Export], float | None]:
    return lambda one: None if one.bundle.cost is None else figure(one.bundle.cost)


def _of_loss(figure: Callable[[AccuracyLoss], float | str]) -> Callable[[_Export], float | str | None]:
    return lambda one: None if one.loss is None else figure(one.loss)


FIDELITY = (
    _Column("precision", "Computes in", 0, lambda one: one.bundle.precision),
    _Column("accuracy", "Evaluation accuracy", 4, lambda one: one.bundle.fidelity.accuracy),
    _Column("", "Its 95 % interval", 0, lambda one: _interval(one.bundle)),
    _Column("accuracy_low", "", 4, lambda one: one.bundle.fidelity.accuracy_low),
    _Column("accuracy_high", "", 4, lambda one: one.bundle.fidelity.accuracy_high),
    _Column("images", "Images", 0, lambda one: one.bundle.fidelity.images),
    _Column(
        "accuracy_change_points",
        "Change against Keras (points)",
        2,
        _of_loss(lambda loss: 100 * loss.change.value),
    ),
    _Column("", "Its 95 % interval, paired", 0, _of_loss(lambda loss: _points(loss.change.low, loss.change.high))),
    _Column("accuracy_change_low_points", "", 2, _of_loss(lambda loss: 100 * loss.change.low)),
    _Column("accuracy_change_high_points", "", 2, _of_loss(lambda loss: 100 * loss.change.high)),
    _Column("mcnemar_p", "McNemar p", 3, _of_loss(lambda loss: loss.change.p_value)),
    _Column(
        "accuracy_loss_too_large", "Loses more than it may", 0, _of_loss(lambda loss: "YES" if loss.too_large else "no")
    ),
    _Column(
        "agreement_with_keras_percent", "Same answer as Keras (%)", 2, lambda one: 100 * one.bundle.fidelity.agreement
    ),
    _Column(
        "largest_probability_difference",
        "Largest difference in probability",
        6,
        lambda one: one.bundle.fidelity.largest_probability_difference,
    ),
    _Column("measured_on", "Measured on", 0, lambda one: "; ".join(one.model.marks) if one.model else None),
)

COST = (
    _Column("disk_mib", "Disk (MiB)", 2, lambda one: one.bundle.disk_bytes / MIB),
    _Column("import_ms", "Import of the library (ms)", 0, _of_cost(lambda cost: cost.import_ms)),
    _Column("load_ms", "Load to first answer (ms)", 1, _of_cost(lambda cost: cost.load_ms)),
    _Column(
        "memory_imported_mib",
        "Memory, library alone (MiB)",
        1,
        _of_cost(lambda cost: cost.memory_imported_bytes / MIB),
    ),
    _Column("memory_loaded_mib", "Memory, loaded (MiB)", 1, _of_cost(lambda cost: cost.memory_loaded_bytes / MIB)),
    _Column("latency_ms", "One image, 1 thread (ms)", 2, lambda one: one.bundle.latency_ms),
    _Column("latency_threads_ms", "One image, n threads (ms)", 2, _of_cost(lambda cost: cost.latency_threads_ms)),
    _Column("threads", "n", 0, _of_cost(lambda cost: cost.threads)),
    _Column("cpu", "CPU", 0, lambda one: one.bundle.provenance.cpu_model),
)

SECTIONS = (("Fidelity", FIDELITY), ("Cost", COST))


def export_summary(
    bundles: Sequence[ServingBundle],
    models: Sequence[ModelArtifact],
    largest_accuracy_loss: float = LARGEST_ACCURACY_LOSS,
) -> Summary:
    """Return the table of all exports, a column each, with a remark for each that loses more accuracy than it may."""
    exports = _joined(bundles, models, largest_accuracy_loss)
    sections = tuple(
        Section(title, tuple(_row(column, exports) for column in columns if column.label))
        for title, columns in SECTIONS
    )
    remarks = tuple(f"{one.name} is {one.loss.remark}." for one in exports if one.loss is not None and one.loss.remark)
    return Summary("Exports", tuple(one.name for one in exports), sections, remarks)


def export_rows(
    bundles: Sequence[ServingBundle],
    models: Sequence[ModelArtifact],
    largest_accuracy_loss: float = LARGEST_ACCURACY_LOSS,
) -> list[dict[str, Value]]:
    """Return the same as plain values, a row for each export, units in the names."""
    columns = [column for _, some in SECTIONS for column in some if column.name]
    rows: list[dict[str, Value]] = []
    for one in _joined(bundles, models, largest_accuracy_loss):
        values: dict[str, Value] = {column.name: column.of(one) for column in columns}
        rows.append({"model": one.bundle.model_name, "runtime": one.bundle.runtime, **values})
    return rows


def _joined(bundles: Sequence[ServingBundle], models: Sequence[ModelArtifact], largest: float) -> list[_Export]:
    model_of = {model.digest: model for model in models}
    return [
        _Export(bundle, model_of.get(bundle.model_digest), accuracy_loss(bundle.fidelity, largest))
        for bundle in bundles
    ]


def _row(column: _Column, exports: Sequence[_Export]) -> Row:
    return Row(column.label, tuple(Shown(figure_text(column.of(one), column.decimals)) for one in exports))


def _interval(bundle: ServingBundle) -> str:
    return f"{bundle.fidelity.accuracy_low:.4f} to {bundle.fidelity.accuracy_high:.4f}"


def _points(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}"
