"""Whatever ends a command, and whenever: the store can be read, and nothing is left that cannot be removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from command_line import TINY, foodbench, processes_of, start

from foodbench.store import Store, read_run

pytestmark = [pytest.mark.tensorflow, pytest.mark.processes]

PATIENCE_S = 120


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, "the command ended before it could be killed"
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def some(folder: Path, pattern: str) -> Callable[[], object]:
    return lambda: list((folder / "results").glob(pattern))


MOMENTS = {
    "run begun": "tiny/*/run.json",
    "intent written": "_deployments/*/deployment.json",
    "supervisor up": "_deployments/*/state.json",
    "samples written": "tiny/*/cells/*/samples.arrows",
    "first cell done": "tiny/*/cells/*.single.1/cell.json",
}


def check_all_that_is_left(folder: Path) -> None:
    """Everything is readable, status and delete work, and no process survives them."""
    status = foodbench("status", "--json", cwd=folder)
    assert status.returncode == 0, status.stderr
    json.loads(status.stdout)
    deleted = foodbench("delete", cwd=folder)
    assert deleted.returncode == 0, deleted.stderr
    assert processes_of(folder / "results") == []
    store = Store(folder / "results")
    assert store.deployments() == ()
    for run in store.runs():
        read_run(store.run_directory(run.experiment.name, run.id))


@pytest.mark.parametrize("moment", MOMENTS)
def test_sigkill_at_any_moment(trained: Path, moment: str) -> None:
    process = start("run", "-e", str(TINY), "-q", cwd=trained)
    wait_until(some(trained, MOMENTS[moment]), process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    check_all_that_is_left(trained)


@pytest.mark.parametrize("moment", ["supervisor up", "samples written"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_tears_down_and_keeps_what_was_measured(
    trained: Path, number: signal.Signals, moment: str
) -> None:
    process = start("run", "-e", str(TINY), "-q", cwd=trained)
    wait_until(some(trained, MOMENTS[moment]), process)
    # To the whole group, as a terminal does.
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "interrupted; what was measured is kept"
    assert processes_of(trained / "results") == []
    check_all_that_is_left(trained)


def test_what_was_measured_before_a_kill_is_kept_and_the_run_goes_on(trained: Path) -> None:
    process = start("run", "-e", str(TINY), "-q", cwd=trained)
    wait_until(some(trained, MOMENTS["first cell done"]), process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    refused = foodbench("run", "-e", str(TINY), "--resume", cwd=trained)
    if refused.returncode == 2:
        # The second deployment had begun: it is found, named, and removed on request.
        assert "foodbench delete" in refused.stderr
        assert foodbench("delete", cwd=trained).returncode == 0
        refused = foodbench("run", "-e", str(TINY), "--resume", cwd=trained)
    assert refused.returncode == 0, refused.stderr
    (folder,) = (trained / "results" / "tiny").iterdir()
    _, cells = read_run(folder)
    assert {cell.cell for cell in cells} == {"small.litert.single.1", "small.litert.lb.1"}


def test_training_that_is_killed_leaves_no_model(tmp_path: Path) -> None:
    process = start("train", "-e", str(TINY), "-q", cwd=tmp_path)
    wait_until(some(tmp_path, "_data/*"), process)
    helpers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    _, alive = psutil.wait_procs(helpers, timeout=60)
    assert alive == []
    check_all_that_is_left(tmp_path)
    done = foodbench("train", "-e", str(TINY), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["spec"]["name"] == "small"
