from __future__ import annotations

import os
import signal

import pytest

from foodbench.errors import InputError, RunFailed
from foodbench.isolation import run_isolated
from foodbench.progress import Progress


class Heard:
    def __init__(self) -> None:
        self.steps: list[tuple[str, float, float]] = []
        self.lines: list[str] = []

    def step(self, description: str, done: float, total: float) -> None:
        self.steps.append((description, done, total))

    def say(self, line: str) -> None:
        self.lines.append(line)


def add(left: int, right: int, *, progress: Progress) -> tuple[int, int]:
    progress.step("adding", 1, 2)
    progress.say("nearly there")
    return left + right, os.getpid()


def refuse(*, progress: Progress) -> None:
    raise InputError("received 7", "Give 8")


def die(*, progress: Progress) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_result_and_progress_come_back_from_another_process() -> None:
    heard = Heard()
    total, pid = run_isolated(add, 2, 3, progress=heard, doing="that adds")
    assert total == 5
    assert pid != os.getpid()
    assert heard.steps == [("adding", 1, 2)]
    assert heard.lines == ["nearly there"]


def test_an_error_keeps_its_kind_and_words() -> None:
    with pytest.raises(InputError, match=r"received 7\. Give 8\."):
        run_isolated(refuse, progress=Heard(), doing="that refuses")


def test_a_process_that_is_killed_is_reported_with_what_it_did() -> None:
    with pytest.raises(RunFailed, match="the process that trains was killed"):
        run_isolated(die, progress=Heard(), doing="that trains")
