"""The generator in its own process, against a server that keeps count of what was done to it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from answering import Answer, Answering, answering, unused_port

from foodbench.errors import RunFailed, StoreError
from foodbench.load import run_load
from foodbench.load.pacing import MOST_ATTEMPTS_PER_S
from foodbench.progress import Silent
from foodbench.records.experiments import LoadProfile
from foodbench.records.traces import LOAD_COLUMNS
from foodbench.streams import read_stream

pytestmark = pytest.mark.processes

DEADLINE_S = 60.0
GENERATOR_MODULE = "foodbench.load.generator"


def profile(**changes: Any) -> LoadProfile:
    return LoadProfile(**{"users": 4, "duration_s": 1.0, "warm_up_requests": 2} | changes)


def samples(directory: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_stream(directory / "samples.arrows", LOAD_COLUMNS).to_pylist()
    return rows


def measured(server: Answering, load: LoadProfile) -> list[Answer]:
    """Return what the server did after the warm-up."""
    return [served.answer for served in server.served[load.warm_up_requests :]]


class Listener(Silent):
    """Calls a function once, when the load has gone on for a while."""

    def __init__(self, act: Callable[[], None], after_s: float = 0.5) -> None:
        self._act, self._after_s, self._acted = act, after_s, False

    def step(self, description: str, done: float, total: float) -> None:
        if description == "load test" and done >= self._after_s and not self._acted:
            self._acted = True
            self._act()


def generators(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in process.children(recursive=True):
        # A zombie that another test has left to this process has no command line any more.
        with contextlib.suppress(psutil.ZombieProcess):
            if GENERATOR_MODULE in child.cmdline():
                found.append(child)
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_answer_is_counted_in_its_own_class(tmp_path: Path) -> None:
    answers = (
        Answer(200, 1_000),
        Answer(404, 200),
        Answer(500, 300),
        Answer(408, 50),
        Answer(503, 10, headers=(("Retry-After", "1"),)),
        Answer(503, 20),
        Answer(302, 0, headers=(("Location", "/elsewhere"),)),
        Answer(ending="reset", delay_s=0.01),
        Answer(ending="closed", delay_s=0.01),
        Answer(200, 5_000, ending="cut", delay_s=0.01),
    )
    load = profile(warm_up_requests=3)
    with answering(answers) as server:
        result = run_load(load, server.url, tmp_path, Silent())
    done = Counter(measured(server, load))
    kept = Counter((row["status"], row["failure"], row["received_bytes"]) for row in samples(tmp_path))
    expected = {
        answers[0]: (200, "", 1_000),
        answers[1]: (404, "", 200),
        answers[2]: (500, "http-5xx", 300),
        answers[3]: (408, "http-408", 50),
        answers[4]: (503, "shed", 10),
        answers[5]: (503, "http-5xx", 20),
        answers[6]: (302, "", 0),
        answers[7]: (0, "connection-reset", 0),
        answers[8]: (0, "connection-closed", 0),
        answers[9]: (200, "connection-closed", 2_500),
    }
    assert set(kept) == set(expected.values())
    assert sum(kept.values()) > 2 * len(answers)
    # Nothing is sent twice: only what was under way at the end is missing.
    assert 0 <= sum(done.values()) - sum(kept.values()) <= load.users
    for answer, outcome in expected.items():
        assert 0 <= done[answer] - kept[outcome] <= load.users
    assert all(served.request.startswith(b"GET /test HTTP/1.1\r\n") for served in server.served)
    assert result.complete
    assert result.samples == sum(kept.values())
    assert result.figures.elapsed_s == load.duration_s
    assert {failure.kind for failure in result.failures} == {failure for _status, failure, _bytes in kept if failure}
    assert all(failure.example for failure in result.failures)
    assert result.generator_cpu_cores is not None
    assert 0 < result.generator_cpu_cores < 1.5


def test_a_request_takes_from_its_connection_to_its_last_byte(tmp_path: Path) -> None:
    load = profile(users=3)
    with answering([Answer(delay_s=0.1)]) as server:
        result = run_load(load, server.url, tmp_path, Silent())
    rows = samples(tmp_path)
    assert all(row["latency_ms"] >= 100 for row in rows)
    ends = [row["started_at"] + row["latency_ms"] / 1000 - result.started_at for row in rows]
    assert min(row["started_at"] for row in rows) >= result.started_at
    assert max(ends) <= load.duration_s + 1e-3
    # A closed loop: no more than so many users are ever under way.
    assert result.figures.concurrency <= load.users


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_connections_are_new_or_kept_as_asked(tmp_path: Path, connection: str) -> None:
    load = profile(users=2, warm_up_requests=0, connection=connection)
    # The server leaves connections open: it is the client that must have a new one for each request.
    with answering([Answer(keeps=True)]) as server:
        run_load(load, server.url, tmp_path, Silent())
    connections = len({served.connection for served in server.served})
    assert len(server.served) > 10
    assert connections == (load.users if connection == "keep-alive" else len(server.served))
    assert all(row["failure"] == "" for row in samples(tmp_path))


def test_an_answer_that_takes_too_long_is_a_timeout(tmp_path: Path) -> None:
    load = profile(timeout_s=0.3, warm_up_requests=0)
    with answering([Answer(delay_s=60)]) as server:
        result = run_load(load, server.url, tmp_path, Silent())
    assert {row["failure"] for row in samples(tmp_path)} == {"timeout"}
    assert result.figures.availability_percent == 0
    assert result.failures[0].example == "no whole answer within 0.3 s"


def test_a_closed_port_is_tried_to_the_end_without_a_storm(tmp_path: Path) -> None:
    load = profile(warm_up_requests=1)
    result = run_load(load, f"http://127.0.0.1:{unused_port()}", tmp_path, Silent())
    assert {row["failure"] for row in samples(tmp_path)} == {"connection-refused"}
    assert result.complete
    assert load.users < result.samples <= MOST_ATTEMPTS_PER_S * load.duration_s + load.users
    assert "siege tries again at once" in result.notes[0]


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_generator_that_is_ended_loses_nothing_it_had_written(tmp_path: Path, ending: signal.Signals) -> None:
    load = profile(duration_s=60, warm_up_requests=0)

    def end() -> None:
        (generator,) = generators(psutil.Process())
        generator.send_signal(ending)

    with answering([Answer(delay_s=0.01)]) as server:
        result = run_load(load, server.url, tmp_path, Listener(end, after_s=0.8))
        served = len(server.served)
    assert not result.complete
    assert 0.8 <= result.figures.elapsed_s < load.duration_s
    # All but what came within the last quarter of a second, on a machine that may be busy.
    assert served / 4 < result.samples == len(samples(tmp_path)) <= served
    assert all(row["failure"] == "" for row in samples(tmp_path))


def test_an_interrupt_ends_the_generator_and_keeps_the_samples(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with answering([Answer(delay_s=0.01)]) as server, pytest.raises(KeyboardInterrupt):
        run_load(profile(duration_s=60), server.url, tmp_path, Listener(interrupt))
    assert generators(psutil.Process()) == []
    assert len(samples(tmp_path)) > 0


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_the_generator_does_not_outlive_the_process_that_started_it(tmp_path: Path, ending: signal.Signals) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom foodbench.load import run_load\n"
        "from foodbench.progress import Silent\nfrom foodbench.records.experiments import LoadProfile\n"
        "run_load(LoadProfile(users=2, duration_s=600), sys.argv[1], Path(sys.argv[2]), Silent())\n"
    )
    with (
        answering([Answer(delay_s=0.01)]) as server,
        subprocess.Popen([sys.executable, "-c", code, server.url, str(tmp_path)]) as parent,
    ):
        wait_until(lambda: len(samples(tmp_path)) > 0)
        (generator,) = generators(psutil.Process(parent.pid))
        os.kill(parent.pid, ending)
        parent.wait(DEADLINE_S)
        wait_until(lambda: not generator.is_running() or generator.status() == psutil.STATUS_ZOMBIE)
    assert len(samples(tmp_path)) > 0


def test_a_generator_that_cannot_begin_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"failed against http://a+\.invalid/test: .*(label|idna)"):
        run_load(profile(), f"http://{'a' * 70}.invalid", tmp_path, Silent())


def test_samples_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "samples.arrows").write_bytes(b"precious")
    with pytest.raises(StoreError, match="already there"):
        run_load(profile(), "http://127.0.0.1:9", tmp_path, Silent())
    assert (tmp_path / "samples.arrows").read_bytes() == b"precious"


@pytest.mark.parametrize("most", [30, None])
def test_a_load_may_give_up_after_many_failures_as_siege_does(tmp_path: Path, most: int | None) -> None:
    load = profile(users=3, duration_s=1.5, warm_up_requests=0, stop_after_failures=most)
    result = run_load(load, f"http://127.0.0.1:{unused_port()}", tmp_path, Silent())
    if most is None:
        assert (result.complete, result.stopped_after_failures) == (True, None)
        assert result.figures.failed_transactions > 30
        return
    assert not result.complete
    # Those under way when the last one failed may fail too.
    assert result.stopped_after_failures is not None
    assert most <= result.stopped_after_failures <= most + load.users
    assert result.figures.elapsed_s < load.duration_s
    assert any(f"after {result.stopped_after_failures} failures" in note for note in result.notes)
