"""A run as pandas DataFrames, for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from foodbench.records.models import ModelArtifact
from foodbench.records.runs import CellResult
from foodbench.records.traces import DEPLOYMENT_COLUMNS, LOAD_COLUMNS, REPLICA_COLUMNS
from foodbench.report.folder import RunFolder, read_run_folder
from foodbench.report.summary import Value, summary_rows
from foodbench.streams import read_stream

if TYPE_CHECKING:
    from foodbench.records.traces import ColumnType

__all__ = ["RunFrames", "load_run"]


@dataclass(frozen=True)
class RunFrames:
    """A run's data, cell by cell.

    ``samples``, ``replicas`` and ``replica_counts`` begin with the columns ``cell``, ``variant`` and ``repeat``,
    and have ``since_start_s``: seconds since the cell's load began (negative before it).
    """

    samples: pd.DataFrame
    """A row for each request: started_at (s since the epoch), latency_ms, status, received_bytes, failure, detail."""
    replicas: pd.DataFrame
    """A row for each reading of a replica, with the columns of ``records.traces.REPLICA_COLUMNS``."""
    replica_counts: pd.DataFrame
    """A row for each reading, with the columns of ``records.traces.DEPLOYMENT_COLUMNS``."""
    models: pd.DataFrame
    """A row for each model: digest, sizes, accuracies as fractions, and what they were measured on."""
    summary: pd.DataFrame
    """A row for each variant: the report's summary table, units in the names of the columns."""


def load_run(path: str | Path) -> RunFrames:
    """Read a run for analysis.

    Args:
        path: A run's folder: ``results/<experiment>/<run>``.

    Raises:
        StoreError: It is not a run's folder, or a record in it is damaged.

    Example:
        >>> run = load_run("results/quickstart/20260102T030405-abcd")  # doctest: +SKIP
        >>> run.samples.groupby("variant").latency_ms.describe()  # doctest: +SKIP
    """
    folder = read_run_folder(Path(path))
    return RunFrames(
        samples=_stacked(folder, "samples.arrows", LOAD_COLUMNS, "started_at"),
        replicas=_stacked(folder, "replicas.arrows", REPLICA_COLUMNS, "time_s"),
        replica_counts=_stacked(folder, "replica_counts.arrows", DEPLOYMENT_COLUMNS, "time_s"),
        models=pd.DataFrame([_model_row(model) for model in folder.models]),
        summary=pd.DataFrame(summary_rows(folder.variants)),
    )


def _stacked(folder: RunFolder, file_name: str, columns: Mapping[str, ColumnType], time: str) -> pd.DataFrame:
    frames = [_frame(folder, cell, file_name, columns, time) for cell in folder.cells]
    filled = [frame for frame in frames if len(frame)]
    if filled:
        return pd.concat(filled, ignore_index=True)
    empty = read_stream(folder.directory / file_name, columns).to_pandas()
    return frames[0] if frames else _placed(empty, "", "", 0, 0.0, time)


def _frame(
    folder: RunFolder, cell: CellResult, file_name: str, columns: Mapping[str, ColumnType], time: str
) -> pd.DataFrame:
    frame = read_stream(folder.cell_directory(cell) / file_name, columns).to_pandas()
    earliest = float(frame[time].min()) if len(frame) else 0.0
    began = earliest if cell.load is None else cell.load.started_at
    return _placed(frame, cell.cell, cell.variant.name, cell.repeat, began, time)


def _placed(frame: pd.DataFrame, cell: str, variant: str, repeat: int, began: float, time: str) -> pd.DataFrame:
    frame.insert(0, "cell", cell)
    frame.insert(1, "variant", variant)
    frame.insert(2, "repeat", repeat)
    frame.insert(3, "since_start_s", frame[time] - began)
    return frame


def _model_row(model: ModelArtifact) -> dict[str, Value]:
    evaluation = model.evaluation
    return {
        "model": model.spec.name,
        "backbone": model.spec.backbone,
        "width": model.spec.width,
        "input_size_px": model.spec.input_size_px,
        "digest": model.digest,
        "measured_on": "; ".join(model.marks),
        "synthetic": model.dataset.synthetic,
        "weights": model.weights.kind,
        "accuracy": evaluation.accuracy,
        "accuracy_low": evaluation.accuracy_low,
        "accuracy_high": evaluation.accuracy_high,
        "loss": evaluation.loss,
        "expected_calibration_error": None if evaluation.calibration is None else evaluation.calibration.expected_error,
        "evaluation_images": evaluation.images,
        "validation_accuracy_head": model.validation_accuracy_head,
        "validation_accuracy_fine_tuned": model.validation_accuracy_fine_tuned,
        "base_parameters_total": model.base_parameters.total,
        "base_parameters_trainable": model.base_parameters.trainable,
        "base_parameters_non_trainable": model.base_parameters.non_trainable,
        "model_parameters": model.model_parameters,
        "keras_file_bytes": model.keras_file_bytes,
        "training_duration_s": model.training_duration_s,
    }
