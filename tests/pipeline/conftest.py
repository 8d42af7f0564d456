"""One small run, made once by the real command, for all tests of what comes after it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import TINY, foodbench


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `foodbench run` has run the tiny experiment."""
    folder = tmp_path_factory.mktemp("finished")
    done = foodbench("run", "-e", str(TINY), cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def trained(finished_run: Path, tmp_path: Path) -> Path:
    """A fresh folder whose store has the tiny experiment's data, model and bundle, and no run."""
    for name in ("_data", "_models", "_bundles"):
        shutil.copytree(finished_run / "results" / name, tmp_path / "results" / name)
    return tmp_path
