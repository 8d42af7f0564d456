"""What all tests share."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import TINY, foodbench
from tiny_training import write_base_weights

from foodbench.store import Store

# A runner in the background ignores it, which every program that the tests start and interrupt would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# TensorFlow, where a test needs it, must not talk or look for accelerators.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# As keras_door sets it, whichever test imports TensorFlow first: other kernels round otherwise.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "results")


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """Find a program on PATH. In CI a missing one is a failure; elsewhere the test is skipped."""

    def find(name: str) -> str:
        found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
        if found is not None:
            return found
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing; .ci/run installs it")
        pytest.skip(f"{name} is not on this machine")

    return find


@pytest.fixture(scope="session")
def base_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file for the tiny model's base: random, but with BatchNorm statistics that let signals through."""
    path = tmp_path_factory.mktemp("weights") / "base.weights.h5"
    write_base_weights(path)
    return path


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own settings out of the tests."""
    for name in ("FOODBENCH_DATA", "FOODBENCH_WEIGHTS", "FOODBENCH_RESULTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `foodbench run` has run the tiny experiment: made once, by the real command."""
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
