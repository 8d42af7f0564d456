"""Starts the generator, follows it, and reduces its samples to a result."""

from __future__ import annotations

import contextlib
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from foodbench.analysis.siege import failure_counts, latency_percentiles, siege_figures
from foodbench.errors import RunFailed, StoreError
from foodbench.load.address import parse_address
from foodbench.load.messages import Began, Ended, Message, Running, WarmedUp, parse_message
from foodbench.load.notes import notes_on
from foodbench.progress import Progress
from foodbench.records.experiments import LoadProfile
from foodbench.records.loads import LoadResult
from foodbench.records.traces import LOAD_COLUMNS
from foodbench.streams import read_stream

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SAMPLES_FILE", "run_load"]

SAMPLES_FILE = "samples.arrows"

START_UP_LIMIT_S = 60.0
"""Importing Locust takes a second; on a machine that is busy training it takes many."""

SILENCE_LIMIT_S = 60.0
"""While it runs the generator speaks four times a second."""

ENDING_LIMIT_S = 10.0
"""For stopping 10,000 users and writing the last samples."""


@dataclass(frozen=True)
class Outcome:
    """What the generator said of itself."""

    started_at: float
    elapsed_s: float
    cpu_s: float
    complete: bool
    stopped_after_failures: int | None = None


def run_load(profile: LoadProfile, url: str, directory: Path, progress: Progress) -> LoadResult:
    """Load a service, and keep every request.

    Each of ``profile.users`` users sends a request, waits for the whole answer, and sends the next, for
    ``profile.duration_s``. Requests under way at the end are not counted, as in siege. Only
    ``profile.stop_after_failures`` ends the test early: where nobody answers, users go on trying (see ``load.pacing``). Whatever ends it, an interrupt of
    this process included, the samples written so far stay.

    Args:
        profile: The load.
        url: The service's root, as in http://127.0.0.1:5000; plain http only.
        directory: The samples are written here, to ``samples.arrows``, as they come.
        progress: Hears of the warm-up and of the seconds gone by.

    Raises:
        InputError: The address cannot be used.
        StoreError: There are samples in ``directory`` already.
        RunFailed: The generator failed before it measured anything.
    """
    address = parse_address(url, profile.path)
    path = directory / SAMPLES_FILE
    if path.exists():
        raise StoreError(f"{path} is already there", "Samples are never overwritten; choose another folder")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as errors, _generator(profile, url, path, errors) as process:
        outcome = _follow(process, profile, progress)
        samples = read_stream(path, LOAD_COLUMNS)
        if outcome is None or not outcome.elapsed_s > 0:
            raise RunFailed(
                f"the load generator failed against http://{address.authority}{address.target}: {_last_line(errors)}"
            )
    return _result(profile, url, samples, outcome)


@contextlib.contextmanager
def _generator(profile: LoadProfile, url: str, path: Path, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    # -P: a file called locust.py in the user's folder must not be taken for Locust.
    arguments = [sys.executable, "-P", "-m", "foodbench.load.generator", profile.model_dump_json(), url, str(path)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the generator: by letting go of its leash, and by force where that does not do."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(ENDING_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _follow(process: subprocess.Popen[bytes], profile: LoadProfile, progress: Progress) -> Outcome | None:
    """Return what the generator said, or None if it ended before the measurement began."""
    outcome: Outcome | None = None
    for message in _messages(process, longest_silence_s=max(START_UP_LIMIT_S, SILENCE_LIMIT_S) + profile.timeout_s):
        match message:
            case WarmedUp():
                progress.step("warm-up", message.requests, profile.warm_up_requests)
            case Began():
                outcome = Outcome(message.started_at, 0.0, 0.0, complete=False)
            case Running() | Ended() if outcome is not None:
                ended = message if isinstance(message, Ended) else None
                outcome = Outcome(
                    outcome.started_at,
                    message.elapsed_s,
                    message.cpu_s,
                    complete=ended is not None and ended.complete,
                    stopped_after_failures=None if ended is None else ended.stopped_after_failures,
                )
                progress.step("load test", min(message.elapsed_s, profile.duration_s), profile.duration_s)
    return outcome


def _messages(process: subprocess.Popen[bytes], *, longest_silence_s: float) -> Iterator[Message]:
    assert process.stdout is not None  # noqa: S101 - Popen was given a pipe
    unfinished = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(longest_silence_s):
            received = process.stdout.read(65_536)
            if not received:
                return
            *lines, unfinished = (unfinished + received).split(b"\n")
            for line in lines:
                yield parse_message(line)
    process.kill()


def _result(profile: LoadProfile, url: str, samples: pa.Table, outcome: Outcome) -> LoadResult:
    failures = failure_counts(samples, outcome.started_at)
    generator_cpu_cores = outcome.cpu_s / outcome.elapsed_s
    return LoadResult(
        profile=profile,
        url=url,
        started_at=outcome.started_at,
        figures=siege_figures(samples, outcome.elapsed_s),
        percentiles=latency_percentiles(samples),
        failures=failures,
        samples=len(samples),
        samples_file=SAMPLES_FILE,
        complete=outcome.complete,
        stopped_after_failures=outcome.stopped_after_failures,
        generator_cpu_cores=generator_cpu_cores,
        notes=notes_on(profile, failures, generator_cpu_cores, outcome.stopped_after_failures),
    )


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
