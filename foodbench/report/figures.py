"""What is shown of a variant: its name, its unit, how it is read. The one list behind every table.

The order and the words are those of the report that this project implements; what it lacked follows in
its own sections. MiB are 2^20 bytes, which is what siege calls MB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from foodbench.analysis.cost import Cost, cost_of
from foodbench.analysis.variants import Measured, Spread, VariantFacts
from foodbench.records.bundles import ServingBundle
from foodbench.records.models import ModelArtifact

__all__ = ["SECTIONS", "Fact", "Figure", "figure_text"]

MIB = 2**20


@dataclass(frozen=True)
class Figure:
    """A number that each repeat has: shown as its median, with the range where there are several."""

    column: str
    """Name in CSV files and DataFrames, unit included."""
    label: str
    decimals: int
    of: Callable[[Measured], float | None]

    def spread(self, facts: VariantFacts) -> Spread | None:
        """Return the figure over a variant's repeats."""
        return facts.spread(self.of)


@dataclass(frozen=True)
class Fact:
    """A number or a text that a variant has once, whatever its repeats."""

    column: str
    """Empty for what only the tables for people show."""
    label: str
    """Empty for what only CSV files and DataFrames hold."""
    decimals: int
    of: Callable[[VariantFacts], float | str | None]


def figure_text(value: float | str | None, decimals: int) -> str:
    """Return ``value`` as tables show it; a dash where there is none."""
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else f"{value:,.{decimals}f}"


def _cost(figure: Callable[[Cost], float]) -> Callable[[Measured], float | None]:
    def of(measured: Measured) -> float | None:
        cost = cost_of(measured)
        return None if cost is None else figure(cost)

    return of


def _of_model(figure: Callable[[ModelArtifact], float | str | None]) -> Callable[[VariantFacts], float | str | None]:
    return lambda facts: None if facts.model is None else figure(facts.model)


def _of_bundle(figure: Callable[[ServingBundle], float | str | None]) -> Callable[[VariantFacts], float | str | None]:
    return lambda facts: None if facts.bundle is None else figure(facts.bundle)


def _accuracy(end: Literal["value", "low", "high"]) -> Callable[[VariantFacts], float | None]:
    def of(facts: VariantFacts) -> float | None:
        accuracy = facts.accuracy
        return None if accuracy is None else float(getattr(accuracy, end))

    return of


def _accuracy_interval(facts: VariantFacts) -> str | None:
    accuracy = facts.accuracy
    return None if accuracy is None else f"{accuracy.low:.4f} to {accuracy.high:.4f}"


def _accuracy_change(facts: VariantFacts) -> float | None:
    return None if facts.accuracy_loss is None else 100 * facts.accuracy_loss.change.value


def _loses_too_much(facts: VariantFacts) -> str | None:
    if facts.accuracy_loss is None:
        return None
    return "YES" if facts.accuracy_loss.too_large else "no"


def _throttled_percent(measured: Measured) -> float | None:
    fraction = measured.resources.throttled_fraction
    return None if fraction is None else 100 * fraction


def _replicas(facts: VariantFacts) -> str:
    scaling = facts.variant.autoscaling
    if scaling is None:
        return str(facts.variant.replicas)
    return f"{scaling.min_replicas} to {scaling.max_replicas} at {scaling.target_cpu_percent:g} % CPU"


def _connection(facts: VariantFacts) -> str | None:
    if not facts.measured:
        return None
    profile = facts.measured[0].load.profile
    return f"{profile.users} users, {profile.duration_s:g} s, {profile.connection}"


def _limiter(facts: VariantFacts) -> str | None:
    return next((measured.cell.cpu_limiter or "none" for measured in facts.measured), None)


def _ready_after(measured: Measured) -> float | None:
    return measured.cell.ready_after_s


LOAD = (
    Figure("transactions", "Transactions", 0, lambda m: m.load.figures.transactions),
    Figure("availability_percent", "Availability (%)", 2, lambda m: m.load.figures.availability_percent),
    Figure("elapsed_s", "Elapsed time (s)", 2, lambda m: m.load.figures.elapsed_s),
    Figure("response_time_s", "Response time (s)", 3, lambda m: m.load.figures.response_time_s),
    Figure("transactions_per_s", "Transaction rate (tps)", 2, lambda m: m.load.figures.transactions_per_s),
    Figure("concurrency", "Concurrency", 2, lambda m: m.load.figures.concurrency),
    Figure("successful_transactions", "Successful transactions", 0, lambda m: m.load.figures.successful_transactions),
    Figure("failed_transactions", "Failed transactions", 0, lambda m: m.load.figures.failed_transactions),
    Figure("longest_transaction_s", "Longest transaction (s)", 3, lambda m: m.load.figures.longest_transaction_s),
    Figure("shortest_transaction_s", "Shortest transaction (s)", 3, lambda m: m.load.figures.shortest_transaction_s),
    Figure("data_transferred_mib", "Data transferred (MiB)", 2, lambda m: m.load.figures.data_transferred_mib),
    Figure("throughput_mib_per_s", "Throughput (MiB/s)", 4, lambda m: m.load.figures.throughput_mib_per_s),
)

SIZE = (
    Fact("disk_mib", "Disk space usage (MiB)", 2, _of_bundle(lambda bundle: bundle.disk_bytes / MIB)),
    Figure(
        "memory_loaded_mib",
        "Memory, loaded for inference, per replica (MiB)",
        1,
        lambda m: m.resources.memory_loaded_bytes / MIB,
    ),
    Figure(
        "memory_replica_mean_mib",
        "Memory under load, per replica, mean (MiB)",
        1,
        lambda m: m.resources.memory_per_replica_mean_bytes / MIB,
    ),
    Figure(
        "memory_replica_peak_mib",
        "Memory under load, per replica, peak (MiB)",
        1,
        lambda m: m.resources.memory_per_replica_peak_bytes / MIB,
    ),
    Figure(
        "memory_total_mean_mib",
        "Memory under load, in total, mean (MiB)",
        1,
        lambda m: m.resources.memory_total_mean_bytes / MIB,
    ),
    Figure(
        "memory_total_peak_mib",
        "Memory under load, in total, peak (MiB)",
        1,
        lambda m: m.resources.memory_total_peak_bytes / MIB,
    ),
)

ACCURACY = (
    Fact("accuracy", "Evaluation accuracy", 4, _accuracy("value")),
    Fact("", "Its 95 % interval", 4, _accuracy_interval),
    Fact("accuracy_low", "", 4, _accuracy("low")),
    Fact("accuracy_high", "", 4, _accuracy("high")),
    Fact("accuracy_measured_on", "Measured on", 0, lambda f: "; ".join(f.marks)),
    Fact("evaluation_loss", "Evaluation loss (Keras model)", 4, _of_model(lambda model: model.evaluation.loss)),
    Fact(
        "keras_accuracy",
        "Evaluation accuracy of the Keras model",
        4,
        _of_model(lambda model: model.evaluation.accuracy),
    ),
    Fact("accuracy_change_points", "Change against the Keras model (points)", 2, _accuracy_change),
    Fact("accuracy_loss_too_large", "Loses more than it may", 0, _loses_too_much),
    Fact(
        "agreement_with_keras_percent",
        "Same answer as the Keras model (%)",
        2,
        _of_bundle(lambda bundle: 100 * bundle.fidelity.agreement),
    ),
    Fact(
        "largest_probability_difference",
        "Largest difference in probability",
        6,
        _of_bundle(lambda bundle: bundle.fidelity.largest_probability_difference),
    ),
    Fact("base_parameters_total", "Base parameters, total", 0, _of_model(lambda model: model.base_parameters.total)),
    Fact(
        "base_parameters_trainable",
        "Base parameters, trainable",
        0,
        _of_model(lambda model: model.base_parameters.trainable),
    ),
    Fact(
        "base_parameters_non_trainable",
        "Base parameters, non-trainable",
        0,
        _of_model(lambda model: model.base_parameters.non_trainable),
    ),
)

RESOURCES = (
    Figure("cpu_mean_cores", "CPU under load, in total, mean (cores)", 2, lambda m: m.resources.cpu_total_mean_cores),
    Figure("throttled_percent", "CPU throttled (% of the time)", 1, _throttled_percent),
    Figure("replicas_mean", "Replicas, mean", 2, lambda m: m.resources.replicas_mean),
    Figure("replicas_peak", "Replicas, peak", 0, lambda m: m.resources.replicas_peak),
    Figure("ready_after_s", "Ready after (s)", 2, _ready_after),
    Figure(
        "core_hours_per_million",
        "Cost: core-hours per million transactions",
        3,
        _cost(lambda cost: cost.core_hours),
    ),
    Figure(
        "cpu_used_core_hours_per_million",
        "– CPU used (core-hours per million)",
        3,
        _cost(lambda cost: cost.cpu_used_core_hours),
    ),
    Figure(
        "cpu_requested_core_hours_per_million",
        "– CPU requested (core-hours per million)",
        3,
        _cost(lambda cost: cost.cpu_requested_core_hours),
    ),
    Figure(
        "memory_used_gib_hours_per_million",
        "– memory used (GiB-hours per million)",
        3,
        _cost(lambda cost: cost.memory_used_gib_hours),
    ),
)

SETUP = (
    Fact("model", "Model", 0, lambda f: f.variant.model),
    Fact("runtime", "Runtime", 0, lambda f: f.variant.runtime),
    Fact("mode", "Mode", 0, lambda f: f.variant.mode),
    Fact("replicas", "Replicas asked for", 0, _replicas),
    Fact("cpu_limit_cores", "CPU limit per replica (cores)", 2, lambda f: f.variant.resources.cpu_limit_cores),
    Fact("cpu_limiter", "CPU limit enforced by", 0, _limiter),
    Fact("load", "Load", 0, _connection),
)

SECTIONS: tuple[tuple[str, tuple[Figure | Fact, ...]], ...] = (
    ("Variant", SETUP),
    ("Load test", LOAD),
    ("Disk and memory", SIZE),
    ("Accuracy", ACCURACY),
    ("CPU, replicas and cost", RESOURCES),
)
