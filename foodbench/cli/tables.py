"""The tables that commands print on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from foodbench.quantities import format_bytes
from foodbench.records.datasets import DatasetRecord, ImageProperties
from foodbench.records.deployments import Deployment, DeploymentState
from foodbench.records.experiments import Experiment, ModelSpec
from foodbench.records.images import ImageRef
from foodbench.records.models import Evaluation, ModelArtifact, ParameterCount
from foodbench.records.runs import CellResult

if TYPE_CHECKING:
    from foodbench.training.catalogue import Backbone

__all__ = [
    "backbones_table",
    "dataset_tables",
    "deployments_table",
    "evaluation_lines",
    "figures_table",
    "images_table",
    "models_table",
    "plan_table",
    "prediction_table",
]

EXCLUDED_SHOWN = 20
BAR_CELLS = 30


def backbones_table(rows: Iterable[tuple[Backbone, ParameterCount, Path | None]]) -> Table:
    """Return one row a backbone: parameters without top, its own preprocessing, its ImageNet weights if here."""
    table = _table("Backbones (without top, width 1)", "Backbone", "Parameters", "MB", "Scaling", "Widths", "ImageNet")
    for backbone, parameters, path in rows:
        table.add_row(
            backbone.name,
            f"{parameters.total:,}",
            f"{parameters.size_bytes / 2**20:,.2f}",
            backbone.scaling if backbone.adapter is None else f"{backbone.scaling}, then its own",
            ", ".join(f"{width:g}" for width in backbone.widths) or "-",
            "here" if path is not None else "-",
        )
    return table


def models_table(artifacts: Iterable[ModelArtifact]) -> Table:
    """Return one row a trained model."""
    table = _table(
        "Models",
        "Model",
        "Backbone",
        "Input px",
        "Base parameters",
        "Accuracy (95 % interval)",
        "Loss",
        "Disk",
        "Trained in",
        "On",
    )
    for artifact in artifacts:
        evaluation, spec = artifact.evaluation, artifact.spec
        table.add_row(
            spec.name,
            _backbone(spec),
            str(spec.input_size_px),
            f"{artifact.base_parameters.total:,}",
            f"{evaluation.accuracy:.3f} ({evaluation.accuracy_low:.3f}-{evaluation.accuracy_high:.3f})",
            "-" if evaluation.loss is None else f"{evaluation.loss:.3f}",
            format_bytes(artifact.keras_file_bytes),
            f"{artifact.training_duration_s:.0f} s",
            escape(", ".join(artifact.marks)),
        )
    return table


def evaluation_lines(
    name: str, dataset: DatasetRecord, evaluation: Evaluation, artifact: ModelArtifact | None
) -> tuple[str, ...]:
    """Return what an evaluation found, a line each."""
    marks = [dataset.label] + (["synthetic images"] if dataset.synthetic else [])
    if artifact is not None:
        verb = "first measured" if artifact.as_it_is else "trained"
        marks += [f"{verb} on {'; '.join(artifact.marks)}"]
    lines = [
        f"{name} on {evaluation.images:,} {evaluation.split} images of {', '.join(marks)}",
        f"Accuracy {evaluation.accuracy:.4f} ({evaluation.accuracy_low:.4f} to {evaluation.accuracy_high:.4f})",
    ]
    if evaluation.loss is not None:
        lines.append(f"Loss {evaluation.loss:.4f}")
    if evaluation.calibration is not None:
        lines.append(f"Expected calibration error {evaluation.calibration.expected_error:.4f}")
    return tuple(lines)


def prediction_table(title: str, answers: Sequence[tuple[str, float]]) -> Table:
    """Return the classes of one photograph, each with its probability and a bar."""
    table = Table(title=Text(title), title_justify="left", show_header=False, box=None, pad_edge=False)
    for name, probability in answers:
        bar = ProgressBar(total=1, completed=probability, width=BAR_CELLS)
        table.add_row(Text(name), f"{100 * probability:.1f} %", bar)
    table.columns[1].justify = "right"
    return table


def images_table(images: Iterable[ImageRef]) -> Table:
    """Return one row an image."""
    table = _table("Images", "Image", "Id", "Size", "Above its base", "Base", "Built by", "Pushed to")
    for image in images:
        table.add_row(
            image.tags[0],
            image.image_id[:12],
            format_bytes(image.size_bytes),
            format_bytes(image.size_bytes - image.base.size_bytes),
            image.base.name,
            f"{image.engine} {image.engine_version}",
            "\n".join(image.pushed),
        )
    return table


def deployments_table(rows: Iterable[tuple[Deployment, DeploymentState | None]]) -> Table:
    """Return one row a deployment."""
    table = _table("Deployments", "Id", "Variant", "Phase", "Ready", "URL", "CPU limit", "In front", whole="URL")
    for deployment, state in rows:
        if state is None:
            table.add_row(deployment.id, deployment.variant.name, "gone", "0", "-", "-", "-")
            continue
        cores = deployment.variant.resources.cpu_limit_cores
        table.add_row(
            deployment.id,
            deployment.variant.name,
            state.phase if state.failure is None else f"{state.phase}: {state.failure}",
            f"{state.ready_replicas}/{state.desired_replicas}",
            state.url,
            f"{cores:g} cores each, by {state.cpu_limiter}",
            state.load_balancer,
        )
    return table


def figures_table(result: CellResult) -> Table:
    """Return the twelve siege figures of a cell, and what its replicas used."""
    table = Table(title=result.cell, title_justify="left", show_header=False)
    if result.load is None or result.resources is None:
        table.add_row("failed", result.failure)
        return table
    figures, resources = result.load.figures, result.resources
    for name, value in [
        ("Transactions", f"{figures.transactions} hits"),
        ("Availability", f"{figures.availability_percent:.2f} %"),
        ("Elapsed time", f"{figures.elapsed_s:.2f} s"),
        ("Data transferred", f"{figures.data_transferred_mib:.2f} MB"),
        ("Response time", f"{figures.response_time_s:.3f} s"),
        ("Transaction rate", f"{figures.transactions_per_s:.2f} /s"),
        ("Throughput", f"{figures.throughput_mib_per_s:.3f} MB/s"),
        ("Concurrency", f"{figures.concurrency:.2f}"),
        ("Successful transactions", str(figures.successful_transactions)),
        ("Failed transactions", str(figures.failed_transactions)),
        ("Longest transaction", f"{figures.longest_transaction_s:.3f} s"),
        ("Shortest transaction", f"{figures.shortest_transaction_s:.3f} s"),
        ("Memory, loaded, a replica", format_bytes(resources.memory_loaded_bytes)),
        ("Memory under load, a replica", format_bytes(resources.memory_per_replica_mean_bytes)),
        ("Memory under load, in total", format_bytes(resources.memory_total_mean_bytes)),
        ("CPU, in total", f"{resources.cpu_total_mean_cores:.2f} cores"),
        ("Ready replicas, mean (most)", f"{resources.replicas_mean:.2f} ({resources.replicas_peak})"),
    ]:
        table.add_row(name, Text(value, justify="right"))
    return table


def dataset_tables(dataset: DatasetRecord) -> Sequence[RenderableType]:
    """Return images per class and split, and the files that are not used."""
    counts = _table(
        f"{dataset.label}{' (synthetic)' if dataset.synthetic else ''}", "Class", *(c.split for c in dataset.splits)
    )
    for index, name in enumerate(dataset.classes):
        counts.add_row(Text(name), *(str(count.images_per_class[index]) for count in dataset.splits))
    counts.add_section()
    counts.add_row("all", *(str(count.images) for count in dataset.splits))
    parts: list[RenderableType] = [counts]
    if dataset.properties is not None:
        parts.append(_properties_table(dataset.properties, sum(count.images for count in dataset.splits)))
    parts.append(Text(f"Converted to RGB: {dataset.converted_to_rgb}. Digest: {dataset.digest}."))
    if dataset.excluded:
        reasons = Counter(file.reason for file in dataset.excluded)
        summary = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        excluded = _table(f"Not used: {summary}", "File", "Reason", "Detail")
        for file in dataset.excluded[:EXCLUDED_SHOWN]:
            excluded.add_row(Text(file.path), file.reason, Text(file.detail))
        if len(dataset.excluded) > EXCLUDED_SHOWN:
            excluded.add_row(f"and {len(dataset.excluded) - EXCLUDED_SHOWN} more", "", "")
        parts.append(excluded)
    return parts


def _properties_table(properties: ImageProperties, images: int) -> Table:
    table = _table("Images used", "Property", "Found")
    for name, side in (("Shorter side", properties.shorter_side), ("Longer side", properties.longer_side)):
        table.add_row(name, f"{side.smallest_px} to {side.largest_px} px, median {side.median_px:g}")
    for tally in properties.narrower:
        table.add_row(f"Narrower than {tally.value} px", f"{tally.images:,} ({tally.images / images:.1%})")
    for name, tallies in (
        ("Formats", properties.formats),
        ("Colour modes", properties.modes),
        ("EXIF orientation not 1", properties.turned),
    ):
        table.add_row(name, ", ".join(f"{tally.value}: {tally.images:,}" for tally in tallies) or "none")
    return table


def plan_table(experiment: Experiment) -> Sequence[RenderableType]:
    """Return the resolved experiment and its cells, with the time expected for each."""
    from foodbench.pipeline import cells_of, expected_duration_s

    models = _table(
        f"{experiment.name}: {experiment.title}",
        "Model",
        "Backbone",
        "Input px",
        "Weights",
        "Epochs, head + fine-tuning",
    )
    for model in experiment.models:
        models.add_row(
            model.name,
            _backbone(model),
            str(model.input_size_px),
            escape(model.weights),
            f"{model.recipe.head.epochs} + {model.recipe.fine_tuning.epochs}",
        )
    cells = _table("Cells", "Cell", "Replicas", "CPU limit", "Memory limit", "Load", "Expected")
    total_s = 0.0
    for cell in cells_of(experiment):
        variant, load = cell.variant, experiment.load_for(cell.variant)
        expected_s = expected_duration_s(experiment, cell)
        total_s += expected_s
        replicas = str(variant.replicas)
        if variant.autoscaling is not None:
            scaling = variant.autoscaling
            replicas = f"{scaling.min_replicas}-{scaling.max_replicas} at {scaling.target_cpu_percent:g} %"
        cells.add_row(
            cell.name,
            replicas,
            f"{variant.resources.cpu_limit_cores:g} cores",
            format_bytes(variant.resources.memory_limit_bytes),
            f"{load.users} users, {load.duration_s:g} s, {load.path}",
            f"{expected_s:.0f} s",
        )
    data = experiment.data
    source = "drawn by foodbench" if data.synthetic else (data.path or "to be given with --data")
    return [
        models,
        Text(f"Photographs: {data.label}, {source}."),
        cells,
        Text(f"Measuring takes about {total_s / 60:.1f} minutes; training comes before it."),
    ]


def _backbone(spec: ModelSpec) -> str:
    return escape(spec.backbone) if spec.width is None else f"{escape(spec.backbone)} ×{spec.width:g}"


def _table(title: str, *columns: str, whole: str = "") -> Table:
    """Return a table without rows; the cells of the column ``whole`` are never broken, so that they can be copied."""
    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == whole)
    return table
