"""Raw samples on disk, as they come: Arrow IPC streams that survive the death of their writer.

A Parquet file cut short is unreadable; an Arrow IPC stream cut short keeps every batch that was
written whole. So samples are written in batches as they come, and stay in this one format.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa

if TYPE_CHECKING:
    from types import TracebackType

    from foodbench.records.traces import ColumnType

__all__ = ["StreamWriter", "read_stream"]

ARROW_TYPES: dict[str, pa.DataType] = {
    "float64": pa.float64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bool": pa.bool_(),
}

Value = float | int | str | bool

MISSING: dict[pa.DataType, Value] = {pa.float64(): math.nan, pa.int64(): 0, pa.string(): "", pa.bool_(): False}
"""What a column holds in streams that are older than it."""


class StreamWriter:
    """Appends rows to a new stream.

    Args:
        path: The file; it must not exist.
        columns: Name and type of each column (see ``records.traces``).
    """

    def __init__(self, path: Path, columns: Mapping[str, ColumnType]) -> None:
        self._schema = _schema(columns)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("xb", buffering=0)
        self._writer = pa.ipc.new_stream(self._file, self._schema)
        self._rows: list[Mapping[str, Value]] = []

    def add(self, row: Mapping[str, Value]) -> None:
        """Keep ``row`` until the next flush."""
        self._rows.append(row)

    def flush(self) -> None:
        """Write the rows kept so far as one batch."""
        if self._rows:
            rows, self._rows = self._rows, []
            self._writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=self._schema))

    def close(self) -> None:
        """Write what is left and end the stream."""
        if not self._file.closed:
            self.flush()
            self._writer.close()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read_stream(path: Path, columns: Mapping[str, ColumnType]) -> pa.Table:
    """Read every whole batch of a stream; what its writer did not finish is left out.

    A missing file, or one that ends within its header, is a stream of no rows. A column that the stream
    lacks, because it is older than the column, is filled with NaN, 0, the empty text or False.
    """
    schema = _schema(columns)
    batches: list[pa.RecordBatch] = []
    if path.exists():
        with path.open("rb") as file:
            try:
                reader = pa.ipc.open_stream(file)
                batches.extend(reader)
            except (pa.ArrowInvalid, OSError):
                # Cut short: the batches before the cut are whole.
                pass
    return pa.Table.from_batches([_completed(batch, schema) for batch in batches], schema=schema)


def _completed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        batch.column(field.name)
        if field.name in batch.schema.names
        else pa.array([MISSING[field.type]] * len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _schema(columns: Mapping[str, ColumnType]) -> pa.Schema:
    return pa.schema([(name, ARROW_TYPES[kind]) for name, kind in columns.items()])
