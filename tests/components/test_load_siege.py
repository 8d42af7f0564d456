"""Our figures are siege's: both are made from what one server did, siege's by siege itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from answering import Answer, Answering, Served, answering

from foodbench.analysis.siege import siege_figures
from foodbench.load import run_load
from foodbench.load.failures import failure_of_answer
from foodbench.progress import Silent
from foodbench.records.experiments import LoadProfile
from foodbench.records.loads import SiegeFigures
from foodbench.records.traces import LOAD_COLUMNS

pytestmark = pytest.mark.processes

MIB = 2**20
ROUNDS = 5

MIXES = {
    "all well": (Answer(200, MIB, 0.1),),
    "a wrong address": (Answer(404, MIB, 0.2),),
    "slow refusals": (Answer(200, MIB, 0.1), Answer(500, MIB, 0.6)),
    "all refused": (Answer(500, MIB, 0.2),),
    "everything": (
        Answer(200, MIB, 0.1),
        Answer(404, 2 * MIB, 0.3),
        Answer(408, MIB, 0.4),
        Answer(503, 0, 0.0, headers=(("Retry-After", "1"),)),
        Answer(302, 100, 0.1),
        Answer(ending="reset", delay_s=0.3),
        Answer(ending="closed", delay_s=0.3),
    ),
}
"""Delays and sizes are far apart, so that a definition that is another one shows in the figures."""


@pytest.fixture
def program(require_program: Callable[[str], str]) -> str:
    """Siege itself."""
    return require_program("siege")


def siege(program: str, server: Answering, directory: Path, *arguments: str) -> dict[str, float]:
    """Run siege with its shipped settings, whatever the user's own are, and return what it prints."""
    done = subprocess.run(
        [program, "-q", "-j", *arguments, f"{server.url}/test"],
        env={"HOME": str(directory), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    printed: dict[str, float] = json.loads(done.stdout[done.stdout.index("{") :])
    return printed


def as_samples(served: Sequence[Served]) -> pa.Table:
    """Return the server's log as the samples that a perfect observer would have kept."""
    rows = []
    for one in served:
        answered = one.answer.ending == "whole"
        has_retry_after = any(name == "Retry-After" for name, _value in one.answer.headers)
        failure = failure_of_answer(one.answer.status, has_retry_after=has_retry_after)
        rows.append(
            {
                "started_at": one.began_at,
                "latency_ms": 1000 * (one.ended_at - one.began_at),
                "status": one.answer.status if answered else 0,
                "received_bytes": one.answer.body_bytes if answered else 0,
                "failure": (failure or "") if answered else "connection-closed",
                "detail": "",
            }
        )
    types = {"float64": pa.float64(), "int64": pa.int64(), "string": pa.string(), "bool": pa.bool_()}
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, types[kind]) for name, kind in LOAD_COLUMNS.items()]))


@pytest.mark.parametrize("mix", MIXES)
def test_figures_from_the_servers_log_are_what_siege_prints(program: str, mix: str, tmp_path: Path) -> None:
    answers = MIXES[mix]
    with answering(answers) as server:
        printed = siege(program, server, tmp_path, "-c", "2", "-r", str(ROUNDS * len(answers)))
    figures = siege_figures(as_samples(server.served), printed["elapsed_time"])
    assert len(server.served) == 2 * ROUNDS * len(answers)
    assert figures.transactions == printed["transactions"]
    assert figures.successful_transactions == printed["successful_transactions"]
    assert figures.failed_transactions == printed["failed_transactions"]
    assert figures.availability_percent == pytest.approx(printed["availability"], abs=0.006)
    assert figures.data_transferred_mib == pytest.approx(printed["data_transferred"], abs=0.006)
    assert figures.throughput_mib_per_s == pytest.approx(printed["throughput"], rel=0.01, abs=0.006)
    assert figures.transactions_per_s == pytest.approx(printed["transaction_rate"], rel=0.01, abs=0.006)
    # siege's clock ticks a hundred times a second, and it waits a little longer than the server works.
    assert figures.response_time_s == pytest.approx(printed["response_time"], rel=0.3, abs=0.02)
    assert figures.concurrency == pytest.approx(printed["concurrency"], rel=0.3, abs=0.02)
    assert -0.02 <= printed["longest_transaction"] - figures.longest_transaction_s < 0.3
    assert -0.02 <= printed["shortest_transaction"] - figures.shortest_transaction_s < 0.08


def test_the_generator_measures_what_siege_measures(program: str, tmp_path: Path) -> None:
    """The same cycle of answers, given to both: the same shares, the same mean times."""
    answers = MIXES["everything"]
    profile = LoadProfile(users=2, duration_s=5.0, warm_up_requests=len(answers))
    with answering(answers) as server:
        printed = siege(program, server, tmp_path, "-c", "2", "-r", str(2 * len(answers)))
    with answering(answers) as server:
        figures = run_load(profile, server.url, tmp_path, Silent()).figures
    assert shares(figures) == pytest.approx(
        (
            printed["successful_transactions"] / printed["transactions"],
            printed["failed_transactions"] / printed["transactions"],
            printed["data_transferred"] / printed["transactions"],
        ),
        rel=0.35,
    )
    assert figures.response_time_s == pytest.approx(printed["response_time"], rel=0.35)
    assert figures.concurrency == pytest.approx(printed["concurrency"], rel=0.35)


def shares(figures: SiegeFigures) -> tuple[float, float, float]:
    return (
        figures.successful_transactions / figures.transactions,
        figures.failed_transactions / figures.transactions,
        figures.data_transferred_mib / figures.transactions,
    )
