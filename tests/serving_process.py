"""The service as a real process on a free loopback port."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

__all__ = ["DEADLINE_S", "ServiceProcess", "serving", "until"]

DEADLINE_S = 60.0


@dataclass(frozen=True)
class ServiceProcess:
    """A service that is ready."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=DEADLINE_S)

    def post(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> httpx.Response:
        headers = {"content-type": content_type}
        return httpx.post(self.url + path, content=content, headers=headers, timeout=DEADLINE_S)

    def metric(self, name: str) -> float:
        """Return the value of one series of /metrics, written as Prometheus writes it."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)

    def exchange(self, request: bytes) -> bytes:
        """Send raw bytes and return all that comes back until the connection closes."""
        with closing(self.connect()) as connection:
            connection.sendall(request)
            return received_to_the_end(connection)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.process.wait(DEADLINE_S)


@contextmanager
def serving(bundle: Path, *options: str, without: tuple[str, ...] = ()) -> Iterator[ServiceProcess]:
    """Start the service on a free port, wait until it is ready, and kill what is left of it at the end.

    Args:
        bundle: Its folder.
        options: Further ones of its command line.
        without: Packages that it shall find not installed.
    """
    program = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({without!r})); "
        "sys.argv[0] = 'serving'; runpy.run_module('foodbench.serving', run_name='__main__')"
    )
    arguments = [sys.executable, "-c", program, "--bundle", str(bundle), "--port", "0", "--drain-s", "0"]
    process = subprocess.Popen(
        [*arguments, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
    )
    assert process.stdout is not None
    try:
        announcement = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", announcement)
        assert found is not None, announcement
        yield ServiceProcess(process, int(found[1]))
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        process.stdout.close()


def received_to_the_end(connection: socket.socket) -> bytes:
    chunks = []
    while chunk := connection.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def until(condition: Callable[[], bool]) -> None:
    """Wait for ``condition``, at most as long as the deadline."""
    give_up = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up, "the condition never came true"
        time.sleep(0.01)
