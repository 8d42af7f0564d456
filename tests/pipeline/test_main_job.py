"""The whole pipeline on tiny data, through the real commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TINY, foodbench, processes_of

from foodbench.store import read_run

pytestmark = [pytest.mark.tensorflow, pytest.mark.processes]


def run_folder(folder: Path) -> Path:
    (found,) = (folder / "results" / "tiny").iterdir()
    return found


def test_one_command_goes_from_nothing_to_a_report(finished_run: Path) -> None:
    run, cells = read_run(run_folder(finished_run))
    assert [cell.cell for cell in cells] == ["small.litert.single.1", "small.litert.lb.1"]
    for cell in cells:
        assert cell.status == "measured"
        assert cell.load is not None
        assert cell.load.complete
        assert cell.load.figures.failed_transactions == 0
        assert cell.load.figures.transactions > 0
        assert cell.resources is not None
        assert cell.resources.replicas_peak == cell.variant.replicas
        assert cell.resources.memory_loaded_bytes > 0
    assert run.experiment.name == "tiny"
    report = run_folder(finished_run) / "report"
    assert {"report.html", "summary.csv", "summary.md"} <= {path.name for path in report.iterdir()}
    assert list(report.rglob("*.png"))
    assert list(report.rglob("*.svg"))


def test_every_accuracy_says_that_the_data_are_synthetic_and_the_weights_random(finished_run: Path) -> None:
    report = run_folder(finished_run) / "report"
    for text in (
        (finished_run / "output.txt").read_text(),
        (report / "summary.md").read_text(),
        (report / "summary.csv").read_text(),
        (report / "report.html").read_text(),
    ):
        # A narrow column breaks the words over lines, between which other columns stand.
        for word in ("synthetic", "random", "initial"):
            assert word in text


def test_nothing_is_left_running_and_nothing_deployed(finished_run: Path) -> None:
    assert processes_of(finished_run / "results") == []
    assert json.loads(foodbench("status", "--json", cwd=finished_run).stdout) == []


def test_a_report_is_rebuilt_without_tensorflow(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    shutil.copytree(run_folder(finished_run), folder)
    before = (folder / "report" / "summary.csv").read_text()
    shutil.rmtree(folder / "report")
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'locust', 'ai_edge_litert'): sys.modules[name] = None\n"
        f"sys.argv = ['foodbench', 'report', {str(folder)!r}]\n"
        "from foodbench.cli.main import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "report" / "summary.csv").read_text() == before


def test_resume_measures_what_is_missing_and_only_that(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run / "results", tmp_path / "results")
    folder = run_folder(tmp_path)
    kept = folder / "cells" / "small.litert.single.1" / "cell.json"
    lost = folder / "cells" / "small.litert.lb.1" / "cell.json"
    before = kept.stat().st_mtime_ns
    lost.unlink()
    done = foodbench("run", "-e", str(TINY), "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert kept.stat().st_mtime_ns == before
    assert lost.exists()
    # What the interrupted measurement had written is not thrown away.
    assert list((folder / "cells").glob(".interrupted-small.litert.lb.1-*/samples.arrows"))


def test_the_four_commands_each_pick_up_what_the_one_before_left(trained: Path) -> None:
    options = ("-e", str(TINY))
    assert foodbench("train", *options, cwd=trained).returncode == 0
    written = trained / "results" / "tiny" / "training"
    assert "Non-trainable params" in (written / "models.md").read_text()
    kinds = {path.name.partition("-")[0] for path in (written / "plots").glob("*.png")}
    assert kinds == {"training", "confusion", "calibration"}
    deployed = foodbench("deploy", "--mode", "hpa", *options, cwd=trained)
    try:
        assert deployed.returncode == 0, deployed.stderr
        assert "small (accuracy" in deployed.stderr
        second = foodbench("deploy", *options, cwd=trained)
        assert second.returncode == 2
        assert "still running" in second.stderr
        (row,) = json.loads(foodbench("status", "--json", cwd=trained).stdout)
        assert row["state"]["phase"] == "available"
        loaded = foodbench("loadtest", "-t", "3s", *options, cwd=trained)
        assert loaded.returncode == 0, loaded.stderr
        reported = foodbench("report", cwd=trained)
        assert reported.returncode == 0, reported.stderr
        assert "small.litert.hpa" in reported.stdout
    finally:
        assert foodbench("delete", cwd=trained).returncode == 0
    assert processes_of(trained / "results") == []


def test_a_variant_that_cannot_start_is_a_result_and_the_others_are_still_measured(trained: Path) -> None:
    starved = trained / "starved.toml"
    # 8 MiB are too little for any Python: the first variant cannot start, the second can.
    both = '[[variants]]\nmode = ["single", "lb"]\nreplicas = 2'
    first = '[[variants]]\nmode = "single"\nresources = { cpu = "250m", memory = "8Mi" }'
    second = '[[variants]]\nmode = "lb"\nreplicas = 2'
    assert both in TINY.read_text()
    starved.write_text(TINY.read_text().replace(both, f"{first}\n\n{second}"))
    done = foodbench("run", "-e", str(starved), cwd=trained)
    assert done.returncode == 4
    assert "small.litert.single.1" in done.stderr.splitlines()[-1]
    _, cells = read_run(run_folder(trained))
    assert [cell.status for cell in cells] == ["failed", "measured"]
    assert "OOMKilled" in cells[0].failure
    assert processes_of(trained / "results") == []
