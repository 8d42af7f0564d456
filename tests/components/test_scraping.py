"""Counters are read from a real /metrics, and nothing a service answers can hold the reader up or fill its memory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from foodbench.deploy.local import scraping
from foodbench.deploy.service_metrics import counters_of
from foodbench.records.traces import ServiceCounters
from foodbench.serving.metrics import Metrics

Answer = Callable[[socket.socket], None]

MALFORMED = """\
foodbench_requests_total{route="a b",outcome="shed"} 4.0
foodbench_queue_depth 2.0
foodbench_connections_total 9.0
foodbench_queue_depth inf
"""


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], int]]:
    """Serve each connection to a port with an answer, until the test ends."""
    listening: list[socket.socket] = []

    def start(answer: Answer) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)
        threading.Thread(target=accept, args=(server, answer), daemon=True).start()
        return int(server.getsockname()[1])

    def accept(server: socket.socket, answer: Answer) -> None:
        try:
            connection, _ = server.accept()
            with closing(connection):
                connection.recv(4096)
                answer(connection)
        except OSError:
            return

    yield start
    for server in listening:
        server.close()


def metrics() -> Metrics:
    found = Metrics(lambda: 3)
    found.count("test", "ok")
    found.count("test", "shed")
    found.count("predict", "shed")
    found.count_shed_connection()
    return found


def sending(status: bytes, body: bytes) -> Answer:
    return lambda connection: connection.sendall(b"HTTP/1.1 " + status + b"\r\ncontent-type: text/plain\r\n\r\n" + body)


def endless(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 65536)


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def test_the_counters_are_those_of_the_service() -> None:
    found = counters_of(metrics().exposition().decode())
    assert found is not None
    assert (found.requests, found.shed, found.queue_depth) == (3, 3, 3)


def test_replicas_are_read_side_by_side_and_those_that_do_not_answer_are_left_out(
    serve: Callable[[Answer], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "TIMEOUT_S", 1.0)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = {
            "good": serve(sending(b"200 OK", metrics().exposition())),
            "busy": serve(sending(b"503 Service Unavailable", metrics().exposition())),
            "other": serve(sending(b"200 OK", b"process_cpu_seconds_total 3\n")),
            "silent": serve(silent),
            "endless": serve(endless),
            "gone": closed.getsockname()[1],
        }
        found = scraping.read_counters(ports)
    assert found.keys() == {"good"}
    assert found["good"].requests == 3


@pytest.mark.parametrize(
    ("exposition", "found"),
    [
        ("", None),
        ('foodbench_requests_total{outcome="ok"} 4.0', None),
        ("foodbench_queue_depth 2.0", None),
        (
            'foodbench_requests_total{outcome="ok"} 4.0\nfoodbench_queue_depth 2.0\nfoodbench_requests_total{} NaN\n',
            ServiceCounters(requests=4, shed=0, queue_depth=2),
        ),
        (
            MALFORMED,
            ServiceCounters(connections=9, requests=4, shed=4, queue_depth=2),
        ),
    ],
    ids=["nothing", "no depth", "no requests", "malformed", "connections"],
)
def test_what_is_missing_or_malformed_is_not_made_up(exposition: str, found: ServiceCounters | None) -> None:
    assert counters_of(exposition) == found
