"""The process behind a port-forward: ``python -m foodbench.deploy.kubernetes.forwarding DIRECTORY``.

kubectl ends a port-forward when the pod it leads to is gone; here it is begun anew, until SIGTERM.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

from foodbench.records.base import Record
from foodbench.store import read_record

__all__ = ["FORWARD_FILE", "PortForward", "main"]

FORWARD_FILE = "port-forward.json"

PAUSE_S = 0.5
"""Between the end of one and the beginning of the next."""

GRACE_S = 5.0


class PortForward(Record):
    """The intent: written before it is started."""

    command: tuple[str, ...]
    """kubectl's whole command line."""


def main(directory: Path) -> int:
    """Keep the port-forward of a deployment's folder up until SIGTERM."""
    command = read_record(directory / FORWARD_FILE, PortForward).command
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.is_set():
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as kubectl:
            while kubectl.poll() is None and not stopping.wait(PAUSE_S):
                pass
            _end(kubectl)
        stopping.wait(PAUSE_S)
    return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
