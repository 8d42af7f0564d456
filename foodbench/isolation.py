"""Runs one function in a fresh process, so that the memory and threads it takes are gone when it ends.

TensorFlow holds a gigabyte and a pool of threads once imported. A stage that needs it runs here, and
the load tests that follow are measured on a machine that is as quiet as before.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from foodbench.errors import FoodbenchError, RunFailed
from foodbench.progress import Progress

__all__ = ["run_isolated"]

Result = TypeVar("Result")


def run_isolated(function: Callable[..., Result], *arguments: Any, progress: Progress, doing: str) -> Result:
    """Call ``function(*arguments, progress=…)`` in a process of its own and return its result.

    Args:
        function: Importable by name; its arguments and result can be pickled.
        arguments: For ``function``.
        progress: Hears what the function says.
        doing: What the process is doing, for the error if it dies.

    Raises:
        FoodbenchError: The function raised it.
        RunFailed: It raised something else, or the process died.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sending, function, arguments), daemon=True)
    process.start()
    sending.close()
    try:
        while True:
            kind, content = receiving.recv()
            if kind == "result":
                return content  # type: ignore[no-any-return]
            if kind == "error":
                raise content
            getattr(progress, kind)(*content)
    except EOFError:
        process.join()
        raise RunFailed(*_why_it_died(process.exitcode, doing)) from None
    finally:
        process.terminate()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()
        receiving.close()


class _Sender:
    """Passes progress on to the process that waits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def step(self, description: str, done: float, total: float) -> None:
        self._connection.send(("step", (description, done, total)))

    def say(self, line: str) -> None:
        self._connection.send(("say", (line,)))


def _work(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result = function(*arguments, progress=_Sender(connection))
    except FoodbenchError as error:
        connection.send(("error", error))
    except BaseException as error:
        connection.send(("error", RunFailed(f"{type(error).__name__}: {error}")))
        raise
    else:
        connection.send(("result", result))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _why_it_died(exit_code: int | None, doing: str) -> tuple[str, str]:
    if exit_code == -signal.SIGKILL:
        return (
            f"the process {doing} was killed, most likely because the machine ran out of memory",
            "Free some memory, or choose a smaller model, input size or batch size",
        )
    return f"the process {doing} ended with code {exit_code}", "Run again with -v to see why"
