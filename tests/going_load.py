"""A load that goes on until it is told to end: foodbench's own generator, in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from foodbench.load.messages import Began, parse_message
from foodbench.records.experiments import LoadProfile
from foodbench.records.traces import LOAD_COLUMNS
from foodbench.streams import read_stream

__all__ = ["GoingLoad", "going_load"]

LONGEST_S = 86_400.0
ENDING_LIMIT_S = 30.0


class GoingLoad:
    """Users who come until ``end``.

    Args:
        process: The generator; the pipe on its standard input is its leash.
        samples: Where it writes each request.
    """

    def __init__(self, process: subprocess.Popen[bytes], samples: Path) -> None:
        self._process = process
        self._samples = samples

    def end(self) -> None:
        """Let go of its leash, and wait until all is on disk."""
        if self._process.returncode is None:
            self._process.communicate(timeout=ENDING_LIMIT_S)

    @property
    def requests(self) -> int:
        """How many were answered or failed, as far as is on disk."""
        return int(read_stream(self._samples, LOAD_COLUMNS).num_rows)

    def failures(self) -> Counter[str]:
        """Return how many failed, by kind and text."""
        failed = read_stream(self._samples, LOAD_COLUMNS).select(["failure", "detail"]).to_pylist()
        return Counter(f"{one['failure']}: {one['detail']}" for one in failed if one["failure"])


@contextlib.contextmanager
def going_load(
    url: str, directory: Path, *, users: int, connection: Literal["close", "keep-alive"] = "close"
) -> Iterator[GoingLoad]:
    """Load /test until the block ends.

    Args:
        url: The service's root.
        directory: Gets the samples.
        users: How many; each sends its next request when the one before is answered.
        connection: Whether each request has a connection of its own.
    """
    directory.mkdir(parents=True, exist_ok=True)
    samples = directory / "samples.arrows"
    profile = LoadProfile(users=users, duration_s=LONGEST_S, connection=connection, warm_up_requests=0)
    arguments = [sys.executable, "-P", "-m", "foodbench.load.generator", profile.model_dump_json(), url, str(samples)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        load = GoingLoad(process, samples)
        try:
            assert process.stdout is not None
            began = process.stdout.readline()
            assert isinstance(parse_message(began), Began), began
            yield load
        finally:
            load.end()
