"""Starts the processes of a deployment: marked, in a session of their own, and not outliving the supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from foodbench.deploy.local.limits.choice import LAUNCHER
from foodbench.errors import MachineError

__all__ = ["Child", "spawn_child"]


@dataclass(frozen=True)
class Child:
    """A process that this one has started and has not waited for yet."""

    process: subprocess.Popen[bytes]
    started_at: float
    """Its creation time, seconds since the epoch."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def exit_code(self) -> int | None:
        """Return its exit code (minus the signal that ended it), or None while it runs."""
        return self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, if it has not been waited for."""
        self.process.send_signal(number)

    def kill_group(self) -> None:
        """End it and whatever it has started in its own process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


def spawn_child(
    program: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    launch_options: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
) -> Child:
    """Start a program by way of ``launch.py``.

    Args:
        program: An absolute path and arguments.
        log: Its output is appended here.
        env: Added to this process' environment.
        launch_options: From the replica's limit.
        pass_fds: File descriptors it inherits.

    Raises:
        MachineError: It cannot be started.
    """
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid()), *launch_options, "--"]
    try:
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*launcher, *program],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, **env},
                pass_fds=tuple(pass_fds),
            )
    except OSError as error:
        raise MachineError(
            f"a process cannot be started: {error.strerror or error}", "Free memory, or end others"
        ) from error
    # It cannot vanish before it is waited for.
    return Child(process, psutil.Process(process.pid).create_time())
