"""A stream cut anywhere gives back every batch that was whole."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foodbench.records.traces import DEPLOYMENT_COLUMNS, LOAD_COLUMNS, REPLICA_COLUMNS, ColumnType
from foodbench.streams import StreamWriter, read_stream


def counts(number: int) -> dict[str, Any]:
    return {"time_s": float(number), "ready_replicas": number, "desired_replicas": number + 1}


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "x.arrows"
    rows: list[dict[str, Any]] = [
        {"started_at": 1.5, "latency_ms": 2.0, "status": 200, "received_bytes": 3, "failure": "", "detail": "é"},
        {"started_at": 2.5, "latency_ms": 9.0, "status": 0, "received_bytes": 0, "failure": "timeout", "detail": ""},
    ]
    with StreamWriter(path, LOAD_COLUMNS) as writer:
        for row in rows:
            writer.add(row)
    assert read_stream(path, LOAD_COLUMNS).to_pylist() == rows


def test_what_is_flushed_is_on_disk_before_the_stream_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    with StreamWriter(path, DEPLOYMENT_COLUMNS) as writer:
        writer.add(counts(1))
        assert len(read_stream(path, DEPLOYMENT_COLUMNS)) == 0
        writer.flush()
        assert read_stream(path, DEPLOYMENT_COLUMNS).to_pylist() == [counts(1)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_a_stream_cut_anywhere_keeps_its_whole_batches(tmp_path: Path, batches: list[int], data: st.DataObject) -> None:
    path, cut_path = tmp_path / "x.arrows", tmp_path / "cut.arrows"
    path.unlink(missing_ok=True)
    sizes_after: list[int] = []
    with StreamWriter(path, DEPLOYMENT_COLUMNS) as writer:
        number = 0
        for rows in batches:
            for _ in range(rows):
                writer.add(counts(number))
                number += 1
            writer.flush()
            sizes_after.append(path.stat().st_size)
    cut_at = data.draw(st.integers(0, path.stat().st_size))
    cut_path.write_bytes(path.read_bytes()[:cut_at])
    whole = sum(rows for rows, size in zip(batches, sizes_after, strict=True) if size <= cut_at)
    assert read_stream(cut_path, DEPLOYMENT_COLUMNS).to_pylist() == [counts(number) for number in range(whole)]


def test_a_stream_that_was_never_begun_is_empty(tmp_path: Path) -> None:
    table = read_stream(tmp_path / "x.arrows", LOAD_COLUMNS)
    assert (len(table), table.column_names) == (0, list(LOAD_COLUMNS))


def test_a_stream_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    StreamWriter(path, DEPLOYMENT_COLUMNS).close()
    with pytest.raises(FileExistsError):
        StreamWriter(path, DEPLOYMENT_COLUMNS)


def test_ending_a_stream_twice_does_no_harm(tmp_path: Path) -> None:
    writer = StreamWriter(tmp_path / "x.arrows", DEPLOYMENT_COLUMNS)
    writer.add(counts(0))
    writer.close()
    writer.close()
    assert len(read_stream(tmp_path / "x.arrows", DEPLOYMENT_COLUMNS)) == 1


def test_columns_that_a_stream_is_older_than_are_filled(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    old: dict[str, ColumnType] = {name: REPLICA_COLUMNS[name] for name in ("time_s", "replica", "memory_bytes")}
    with StreamWriter(path, old) as writer:
        writer.add({"time_s": 1.0, "replica": "a", "memory_bytes": 5})
    (row,) = read_stream(path, REPLICA_COLUMNS).to_pylist()
    assert (row["time_s"], row["replica"], row["memory_bytes"], row["restarts"], row["ready"]) == (
        1.0,
        "a",
        5,
        0,
        False,
    )
    assert math.isnan(row["queue_depth"])
