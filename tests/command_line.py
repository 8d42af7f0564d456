"""Runs the real entry point, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

TINY = Path(__file__).parent / "data" / "experiments" / "tiny.toml"

LONGEST_COMMAND_S = 240


def foodbench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "foodbench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_COMMAND_S, cwd=cwd, check=False)


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    command = [sys.executable, "-m", "foodbench", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=cwd, start_new_session=True
    )


def processes_of(results: Path) -> list[psutil.Process]:
    """Return the living processes that a deployment of this results folder started."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get("FOODBENCH_DEPLOYMENT_DIRECTORY", "")
            alive = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue
        if alive and Path(mark).is_relative_to(results):
            found.append(process)
    return found
