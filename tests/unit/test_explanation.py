"""What ``foodbench explain`` shows of a cell, from its record alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import builders
import pytest
from builders import STARTED_AT, failure_count, scaling_decision
from command_line import foodbench
from rich.console import Console

from foodbench.records.runs import CellResult
from foodbench.report.explanation import render_explanation

DECISIONS = (
    scaling_decision(
        time_s=STARTED_AT - 5,
        utilisation_percent=None,
        ratio=None,
        recommended_replicas=1,
        desired_replicas=1,
        limited_by="no metrics yet",
    ),
    scaling_decision(
        time_s=STARTED_AT + 10,
        utilisation_percent=43.0,
        ratio=1.075,
        raw_replicas=2,
        weakened_by="tolerance: the ratio is within 0.9 to 1.1",
        recommended_replicas=1,
        desired_replicas=1,
    ),
    scaling_decision(
        time_s=STARTED_AT + 25,
        utilisation_percent=400.0,
        ratio=10.0,
        raw_replicas=10,
        recommended_replicas=8,
        weakened_by="1 pod without metrics, taken to use nothing",
        desired_replicas=4,
        limited_by="a step from 1 stops at 4 replicas",
    ),
)


def shown(cell: CellResult) -> list[str]:
    console = Console(width=160, file=io.StringIO(), color_system=None)
    console.print(render_explanation(cell))
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_each_decision_has_its_metric_what_limited_it_and_what_it_did() -> None:
    lines = shown(builders.cell_result(variant=builders.variant(mode="hpa"), scaling_decisions=DECISIONS))
    assert "Decisions of the HPA, 1 to 5 replicas" in lines
    assert lines[-3:] == [
        "-5 s no metrics / 40 % – – no metrics yet 1 → 1",
        "+10 s 43 % / 40 % 1.07 2 tolerance: the ratio is within 0.9 to 1.1 1 → 1",
        (
            "+25 s 400 % / 40 % 10.00 10 1 pod without metrics, taken to use nothing;"
            " a step from 1 stops at 4 replicas 1 → 4"
        ),
    ]


def test_a_decision_of_an_older_record_shows_what_was_recommended() -> None:
    lines = shown(builders.cell_result(variant=builders.variant(mode="hpa"), scaling_decisions=(scaling_decision(),)))
    assert lines[-1] == "+15 s 160 % / 40 % 4.00 4 – 1 → 4"


def test_a_finding_comes_with_its_weight_and_the_next_step() -> None:
    figures = builders.siege_figures(transactions=97, failed_transactions=1033)
    cell = builders.cell_result(load=builders.load_result(figures=figures, failures=(failure_count(kind="timeout"),)))
    lines = shown(cell)
    assert lines[0] == cell.cell
    assert lines[1].startswith("requests too slow: answers took longer than the 30 s")
    assert lines[1].endswith("(91.4 % of all requests)")
    assert lines[2].startswith("Next: Bound the queue")


def test_a_cell_without_an_autoscaler_shows_its_diagnosis_only() -> None:
    assert shown(builders.cell_result())[1:] == ["no fault found: 100.00 % of 465 requests answered"]
    assert shown(builders.cell_result(status="failed"))[1].startswith("not deployed: replica-1 ended with code 1")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cells = [
        builders.cell_result(),
        builders.cell_result(variant=builders.variant(mode="hpa"), scaling_decisions=DECISIONS),
    ]
    return builders.write_run(tmp_path_factory.mktemp("explain"), cells=cells, most_samples=5)


def test_the_command_explains_every_cell_of_a_run(run_folder: Path) -> None:
    done = foodbench("explain", str(run_folder), cwd=run_folder)
    assert done.returncode == 0, done.stderr
    assert "mobilenet-litert-single.1\n  no fault found" in done.stdout
    assert "1 → 4" in done.stdout


def test_the_command_explains_one_cell_also_as_json(run_folder: Path) -> None:
    done = foodbench("explain", str(run_folder), "--cell", "mobilenet-litert-hpa", "--json", cwd=run_folder)
    (cell,) = json.loads(done.stdout)
    assert cell["cell"] == "mobilenet-litert-hpa.1"
    assert [decision["desired_replicas"] for decision in cell["scaling_decisions"]] == [1, 1, 4]


def test_a_cell_that_is_not_there_is_named_with_those_that_are(run_folder: Path) -> None:
    done = foodbench("explain", str(run_folder), "--cell", "other", cwd=run_folder)
    assert done.returncode == 2
    assert "received other" in done.stderr
    assert "mobilenet-litert-single.1" in done.stderr
