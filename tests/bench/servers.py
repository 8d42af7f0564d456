"""Both sides of the comparison as processes, started when they are needed and gone afterwards."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from .bundles import BenchModel
from .cores import all_cores, confined_to

__all__ = ["Server", "course_server", "our_service"]

START_DEADLINE_S = 240.0
END_DEADLINE_S = 20.0


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    process: psutil.Process
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory_bytes(self) -> int:
        """Return its resident memory, with that of its children."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(int(member.memory_info().rss) for member in family)

    def cpu_s(self) -> float:
        """Return the CPU time it has taken."""
        taken = self.process.cpu_times()
        return float(taken.user + taken.system)

    def event_loop_cpu_s(self) -> float:
        """Return the CPU time of its first thread, which accepts, parses, refuses and answers."""
        threads = {thread.id: thread for thread in self.process.threads()}
        first = threads[self.process.pid]
        return float(first.user_time + first.system_time)

    def info(self) -> dict[str, Any]:
        """Return what our service says of itself."""
        answered: dict[str, Any] = httpx.get(self.url + "/info", timeout=10).json()
        return answered


@contextmanager
def our_service(bundle: Path, *options: str, cores: Sequence[int] | None = None) -> Iterator[Server]:
    """Serve a bundle until the block ends.

    Args:
        bundle: Its folder.
        options: Further ones of the service's command line.
        cores: The only ones it may use; None for all of this process.
    """
    port = _free_port()
    arguments = [sys.executable, "-m", "foodbench.serving", "--bundle", str(bundle), "--port", str(port)]
    with _running([*arguments, "--drain-s", "0", *options], port, "/readyz", cores) as server:
        yield server


@contextmanager
def course_server(model: BenchModel, photograph: Path) -> Iterator[Server]:
    """Serve a model as the course does until the block ends."""
    port = _free_port()
    size, scaling = str(model.spec.input_size_px), str(model.spec.scaling)
    arguments = [sys.executable, "-m", f"{__package__}.course_server", str(model.keras_path), str(photograph)]
    with _running([*arguments, str(port), size, scaling], port, "/test", None) as server:
        yield server


@contextmanager
def _running(arguments: list[str], port: int, path: str, cores: Sequence[int] | None) -> Iterator[Server]:
    with confined_to(all_cores() if cores is None else cores):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_answers(process, f"http://127.0.0.1:{port}{path}")
        yield Server(psutil.Process(process.pid), port)
    finally:
        process.terminate()
        try:
            process.wait(END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    give_up = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise RuntimeError(f"{url}: the server ended with code {process.returncode}")
        try:
            if httpx.get(url, timeout=START_DEADLINE_S).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within {START_DEADLINE_S:g} s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
