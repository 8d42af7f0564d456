"""The one door to external programs: argument lists, deadlines, typed results, nothing swallowed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foodbench.errors import MachineError, RunFailed

__all__ = ["Completed", "find_program", "run", "spawn_detached"]


@dataclass(frozen=True)
class Completed:
    """A program that has ended."""

    arguments: tuple[str, ...]
    exit_code: int
    output: str
    error_output: str


def find_program(name: str, *, remedy: str) -> str:
    """Return the path of ``name`` on PATH (or in the sbin folders, which users' PATHs often lack).

    Raises:
        MachineError: It is not there; ``remedy`` says how to get it.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise MachineError(f"the program {name} is not on this machine", remedy)
    return found


def run(
    arguments: Sequence[str],
    *,
    timeout_s: float,
    check: bool = True,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end.

    Args:
        arguments: The program and its arguments; no shell is involved.
        timeout_s: After this it is killed.
        check: Whether an exit code other than 0 is an error.
        cwd: Working folder.
        env: Its whole environment; None passes this process' own.

    Raises:
        MachineError: The program cannot be started.
        RunFailed: It did not end in time, or ended with another code than 0 and ``check`` is set.
    """
    name = Path(arguments[0]).name
    try:
        done = subprocess.run(
            list(arguments), capture_output=True, text=True, timeout=timeout_s, cwd=cwd, env=env, check=False
        )
    except OSError as error:
        raise MachineError(f"{name} cannot be started: {error.strerror}", "Check that it is installed") from error
    except subprocess.TimeoutExpired:
        raise RunFailed(f"{name} did not end within {timeout_s:g} s: {' '.join(arguments)}") from None
    if check and done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise RunFailed(f"{name} ended with code {done.returncode}: {last}")
    return Completed(tuple(arguments), done.returncode, done.stdout, done.stderr)


def spawn_detached(arguments: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> int:
    """Start a program in a session of its own, so that it outlives this process and its terminal.

    Args:
        arguments: The program and its arguments.
        log: Its standard output and error are appended here.
        env: Its whole environment; None passes this process' own.

    Returns:
        Its process id.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env=env,
        )
    # A child that is meant to outlive us is never waited for; that is no leak to warn about.
    process.returncode = 0
    return process.pid
