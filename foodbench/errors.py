"""The errors foodbench raises on purpose, and the exit code each one ends a command with.

    FoodbenchError
    ├── InputError           2   an argument, an experiment file or a data set is not right
    ├── MachineError         3   something this machine lacks (package, program, weights, permission)
    ├── RunFailed            4   a stage could not do its work (training diverged, a replica never got ready)
    ├── InvalidMeasurement   5   the work was done, but its numbers must not be trusted
    └── StoreError           6   a record under results/ is missing, damaged, or of another version

An interrupt (Ctrl-C) ends a command with 130. Every message is one line: what was received,
what would be right, what to do next.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "INTERRUPTED_EXIT_CODE",
    "FoodbenchError",
    "InputError",
    "InvalidMeasurement",
    "MachineError",
    "RunFailed",
    "StoreError",
]

INTERRUPTED_EXIT_CODE = 130


class FoodbenchError(Exception):
    """An error meant for the user.

    Args:
        problem: What happened, with the value received; no final full stop.
        remedy: What would be right, or what to do next; no final full stop.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(problem, remedy)

    def __str__(self) -> str:
        text = self.problem if self.remedy is None else f"{self.problem}. {self.remedy}"
        return " ".join(text.split()) + "."


class InputError(FoodbenchError):
    """An argument, an experiment file or a data set is not right."""

    exit_code = 2


class MachineError(FoodbenchError):
    """This machine lacks something: a package, a program, a weights file, a permission."""

    exit_code = 3


class RunFailed(FoodbenchError):
    """A stage could not do its work."""

    exit_code = 4


class InvalidMeasurement(FoodbenchError):
    """The work was done, but its numbers must not be trusted."""

    exit_code = 5


class StoreError(FoodbenchError):
    """A record under results/ is missing, damaged, or of another version."""

    exit_code = 6
