"""Stands in for the service: the same command line and probes, no model.

What it does is read from behaviour.json in the bundle's folder: "work_ms" of CPU per request, "crash"
(ends at once), "memory_mib" to take, "never_ready".
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--drain-s", type=float, default=0)
    options = parser.parse_args()
    behaviour: dict[str, Any] = json.loads((options.bundle / "behaviour.json").read_text())
    if "crash" in behaviour:
        sys.stderr.write(f"{behaviour['crash']}\n")
        raise SystemExit(6)
    taken = bytearray(behaviour.get("memory_mib", 0) * 2**20)
    taken[::4096] = b"x" * len(taken[::4096])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = 200
            if self.path == "/readyz":
                status = 503 if behaviour.get("never_ready") else 200
            elif self.path == "/crash":
                os._exit(9)
            elif self.path == "/test":
                burn(behaviour.get("work_ms", 0) / 1000)
            body = str(os.getpid()).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its parent's name for it
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False
        request_queue_size = 1024

    server = Server(("127.0.0.1", options.port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    # server_close waits for the threads that still answer.
    server.server_close()


def burn(cpu_s: float) -> None:
    end_s = time.thread_time() + cpu_s
    while time.thread_time() < end_s:
        pass


if __name__ == "__main__":
    main()
