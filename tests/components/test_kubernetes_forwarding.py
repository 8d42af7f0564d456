"""A port-forward is kept up, found again and ended. A program that listens stands for kubectl; a real one was tried by hand."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from foodbench.deploy.kubernetes.forwarding import FORWARD_FILE, PortForward
from foodbench.deploy.kubernetes.kubectl import Kubectl
from foodbench.deploy.kubernetes.reaching import FORWARD_MARK, Reached, end_forward, forward
from foodbench.deploy.kubernetes.target import _answers
from foodbench.deploy.local.processes import marked
from foodbench.errors import RunFailed
from foodbench.store import read_record

pytestmark = pytest.mark.processes

PATIENCE_S = 60.0

SERVICE = {"metadata": {"name": "foodbench-it"}, "spec": {"ports": [{"port": 6000}]}}

LISTENING = """#!{python}
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
print(*sys.argv, flush=True)
port = int(sys.argv[-1].partition(":")[0])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Ready).serve_forever()
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(LISTENING.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def begin(directory: Path) -> Reached:
    directory.mkdir()
    return forward(Kubectl("there", "team"), SERVICE, directory, _answers, timeout_s=PATIENCE_S)


@pytest.mark.usefixtures("kubectl")
def test_it_is_written_down_begun_anew_when_it_ends_and_gone_when_it_is_ended(tmp_path: Path) -> None:
    directory = tmp_path / "forwarded-1"
    reached = begin(directory)
    try:
        port = reached.url.rpartition(":")[2]
        command = read_record(directory / FORWARD_FILE, PortForward).command
        assert command[1:] == (
            "--context=there",
            "--namespace=team",
            "port-forward",
            "--address=127.0.0.1",
            "service/foodbench-it",
            f"{port}:6000",
        )
        (child,) = psutil.Process(reached.pid).children()
        child.kill()
        child.wait(PATIENCE_S)
        wait_for(lambda: _answers(reached.url))
    finally:
        end_forward("forwarded-1")
    assert marked({FORWARD_MARK: "forwarded-1"}) == ()
    assert reached.broken
    assert not _answers(reached.url)


@pytest.mark.usefixtures("kubectl")
def test_what_a_killed_supervisor_left_is_found(tmp_path: Path) -> None:
    reached = begin(tmp_path / "forwarded-2")
    psutil.Process(reached.pid).kill()
    wait_for(lambda: reached.broken)
    assert _answers(reached.url)
    end_forward("forwarded-2")
    assert not _answers(reached.url)


def test_one_that_leads_nowhere_says_what_kubectl_said(kubectl: Path, tmp_path: Path) -> None:
    kubectl.write_text("#!/bin/sh\necho no such pod >&2\nexit 1\n")
    (tmp_path / "forwarded-3").mkdir()
    try:
        with pytest.raises(RunFailed, match="no such pod"):
            forward(Kubectl("there", "team"), SERVICE, tmp_path / "forwarded-3", _answers, timeout_s=3.0)
    finally:
        end_forward("forwarded-3")
    assert marked({FORWARD_MARK: "forwarded-3"}) == ()
