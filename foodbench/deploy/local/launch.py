"""Becomes another program, after this process has put itself under its limits.

Run by path with ``python -I -S``, before anything else exists in the process, so that the program
it becomes never runs a moment without its limits. Standard library only.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

__all__ = ["main"]

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""

FAILED_EXIT_CODE = 97


def main() -> None:
    """Apply the options, then become the program after ``--``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--join", action="append", default=[], metavar="FILE", help="cgroup.procs to write this pid to")
    parser.add_argument("--parent", type=int, required=True, help="pid whose death ends this process")
    parser.add_argument("--stopped", action="store_true", help="wait for SIGCONT before becoming the program")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    os.setsid()
    try:
        for file in options.join:
            with open(file, "w", encoding="ascii") as procs:  # noqa: PTH123  # pathlib alone would double the start-up
                procs.write(str(os.getpid()))
    except OSError as error:
        sys.stderr.write(f"cannot join {error.filename}: {error.strerror}\n")
        raise SystemExit(FAILED_EXIT_CODE) from None
    _die_with(options.parent)
    if options.stopped:
        os.kill(os.getpid(), signal.SIGSTOP)
    os.execv(options.program[0], options.program)  # noqa: S606  # no shell is wanted


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies; Linux only, elsewhere ``delete`` finds it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit(FAILED_EXIT_CODE)


if __name__ == "__main__":
    main()
