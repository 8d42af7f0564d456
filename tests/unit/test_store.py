import contextlib
import json
import os
import shutil
from pathlib import Path

import builders
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.errors import MachineError, StoreError
from foodbench.records.datasets import DatasetRecord
from foodbench.records.deployments import DeploymentEvent
from foodbench.records.runs import CellResult, Run
from foodbench.store import Current, Store, append_line, read_lines, read_record, read_run, write_record

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(label=text, classes=st.lists(text, max_size=4), synthetic=st.booleans())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, label: str, classes: list[str], *, synthetic: bool
) -> None:
    path = tmp_path_factory.mktemp("store") / "record.json"
    record = builders.dataset_record(label=label, classes=tuple(classes), synthetic=synthetic)
    write_record(path, record)
    assert read_record(path, DatasetRecord) == record


def test_a_record_is_never_overwritten_silently(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    write_record(path, builders.cell_result())
    before = path.read_bytes()
    with pytest.raises(StoreError, match="already there"):
        write_record(path, builders.cell_result(repeat=2))
    assert path.read_bytes() == before
    write_record(path, builders.cell_result(repeat=2), replace=True)
    assert read_record(path, CellResult).repeat == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("steps", range(5))
def test_a_writer_killed_at_any_step_leaves_the_whole_record_or_none(
    tmp_path: Path, steps: int, *, replace: bool
) -> None:
    """A child process is ended at the n-th system call that matters; there is no clean-up in it."""
    path = tmp_path / "run.json"
    old, new = builders.run(), builders.run(id="20260102T030406-next")
    if replace:
        write_record(path, old)
    child = os.fork()
    if child == 0:
        _end_after(steps)
        write_record(path, new, replace=replace)
        os._exit(0)
    os.waitpid(child, 0)
    if path.exists():
        assert read_record(path, Run) in ((old, new) if replace else (new,))
    else:
        assert not replace
    write_record(path, new, replace=True)
    assert read_record(path, Run) == new


def _end_after(steps: int) -> None:
    """Make this process end, as if killed, before its ``steps``-th file operation."""
    done = 0

    def counted(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object, **options: object) -> object:
            nonlocal done
            if done == steps:
                os._exit(9)
            done += 1
            return real(*arguments, **options)

        setattr(os, name, call)

    for name in ("fsync", "link", "rename", "replace", "unlink"):
        counted(name)


def test_a_failing_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="No space left on device"):
        write_record(tmp_path / "run.json", builders.run())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a readable record"),
        (b"{", "not a readable record"),
        (b"\xff\xfe", "not a readable record"),
        (b"[]", "not a readable record"),
        (b"null", "not a readable record"),
        (b'{"kind": "Run", "schema": 1}', "not a readable record"),
        (b'{"kind": "CellResult", "schema": 1, "record": {}}', "holds a CellResult"),
        (b'{"kind": "Run", "schema": 2, "record": {}}', "schema 2"),
        (b'{"kind": "Run", "schema": 1, "record": {}}', "Field required"),
        (b'{"kind": "Run", "schema": 1, "record": 5}', "Input should be an object"),
    ],
)
def test_what_is_no_whole_record_of_that_kind_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=told):
        read_record(path, Run)


def test_a_missing_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is missing"):
        read_record(tmp_path / "run.json", Run)


@given(cut=st.integers(0, 10**6))
def test_a_record_cut_anywhere_is_never_read(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("store") / "run.json"
    write_record(path, builders.run())
    whole = path.read_bytes().rstrip()
    path.write_bytes(whole[: cut % len(whole)])
    with pytest.raises(StoreError):
        read_record(path, Run)


@given(changed=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_damaged_record_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, changed: int, byte: int
) -> None:
    path = tmp_path_factory.mktemp("store") / "run.json"
    write_record(path, builders.run())
    content = bytearray(path.read_bytes())
    content[changed % len(content)] = byte
    path.write_bytes(bytes(content))
    with contextlib.suppress(StoreError):
        assert isinstance(read_record(path, Run), Run)


@given(events=st.lists(st.builds(lambda message: builders.deployment_event(message=message), text), max_size=5))
def test_lines_are_read_as_they_were_appended(
    tmp_path_factory: pytest.TempPathFactory, events: list[DeploymentEvent]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "events.jsonl"
    for event in events:
        append_line(path, event)
    assert read_lines(path, DeploymentEvent) == tuple(events)


def test_a_last_line_without_its_end_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for number in range(3):
        append_line(path, builders.deployment_event(message=str(number)))
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(whole)):
        path.write_bytes(whole[:cut])
        assert [event.message for event in read_lines(path, DeploymentEvent)] == ["0", "1"]


def test_a_damaged_line_before_the_last_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"{}\n")
    with pytest.raises(StoreError, match="not a DeploymentEvent"):
        read_lines(path, DeploymentEvent)


def test_a_folder_becomes_final_only_if_its_block_ends_well(tmp_path: Path) -> None:
    store, final = Store(tmp_path), tmp_path / "_models" / "abc"
    with contextlib.suppress(ZeroDivisionError), store.fresh_directory(final) as temporary:
        (temporary / "half").touch()
        raise ZeroDivisionError
    assert list(final.parent.iterdir()) == []
    for name in ("first", "second"):
        with store.fresh_directory(final) as temporary:
            (temporary / name).touch()
        assert [path.name for path in final.iterdir()] == [name]
    assert [path.name for path in final.parent.iterdir()] == ["abc"]


def test_models_and_bundles_are_found_by_digest(tmp_path: Path) -> None:
    store, model, bundle = Store(tmp_path), builders.model_artifact(), builders.serving_bundle()
    assert store.find_model(model.digest) is None
    assert store.find_bundle(bundle.digest) is None
    store.save_model(model)
    store.save_bundle(bundle)
    assert store.find_model(model.digest) == model
    assert store.find_bundle(bundle.digest) == bundle


def test_the_current_pointer_is_empty_until_it_is_set(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.current() == Current()
    store.set_current(Current(models=("a",), run=("x", "y")))
    store.set_current(Current(models=("b",), deployment="d"))
    assert store.current() == Current(models=("b",), deployment="d")


def test_deployments_are_listed_oldest_first_and_removed_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    late = builders.deployment(id="a", created_at="2026-01-02T00:00:01Z")
    early = builders.deployment(id="b", created_at="2026-01-02T00:00:00Z")
    for deployment in (late, early):
        store.save_deployment(deployment)
    assert store.deployments() == (early, late)
    assert store.deployment_state("a") is None
    assert store.deployment_events("a") == ()
    store.remove_deployment("a")
    assert store.deployments() == (early,)


def test_runs_are_found_by_experiment_and_cells_once_their_record_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    directory = builders.write_run(tmp_path, of=builders.report_run())
    other = builders.run(id="20260102T030406-next")
    store.save_run(other)
    assert store.runs() == (builders.report_run(), other)
    assert store.runs("sample") == (other,)
    unfinished = directory / "cells" / "mobilenet-single.1" / "cell.json"
    unfinished.unlink()
    _, cells = read_run(directory)
    assert {cell.cell for cell in cells} == {cell.cell for cell in builders.report_cells()} - {"mobilenet-single.1"}
    shutil.rmtree(directory)
    with pytest.raises(StoreError, match="is missing"):
        read_run(directory)


def test_a_record_names_its_kind_and_schema(tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", builders.run())
    envelope = json.loads((tmp_path / "run.json").read_text())
    assert (envelope["kind"], envelope["schema"]) == ("Run", 1)
