"""Serve a bundle: ``python -m foodbench.serving --bundle DIR --port P``.

Exit codes: 0 ended as it was told to, 2 an argument is not right, 3 this machine lacks something
(the runtime's package, a free port), 6 the bundle is missing or damaged, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import math
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from foodbench.serving.allocation import keep_freed_memory
from foodbench.serving.cpu import available_cpu, worker_count
from foodbench.serving.settings import ALONE, Batching, Settings

__all__ = ["main"]

MACHINE_EXIT_CODE = 3
BUNDLE_EXIT_CODE = 6

DEFAULT_QUEUE_CAPACITY = 32
"""Three times the ten users of the usual load, so that a closed loop of them is never shed by one replica,
however slow; and no more than a replica of 1 prediction/s works off before a client's usual 30 s are over."""

DEFAULT_DEADLINE_S = 30.0
"""What siege and most load balancers wait for an answer."""

DEFAULT_DRAIN_S = 5.0
"""Endpoints and load balancers were seen to notice within 5 s that a replica is no longer ready."""

DEFAULT_LINGER_S = 5.0
"""As much again for one that is slower. What a client sends that never notices is refused after it."""

BACKLOG = 2048

MOST_BATCH_SIZE = 64

MOST_BATCH_WAIT_MS = 10_000

DEFAULT_BATCH_WAIT_MS = 5.0
"""Far less than an image takes on the runtimes that compute batches, so that one alone is hardly slowed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a bundle until told to stop.

    Args:
        arguments: The command line without the program; None takes this process' own.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        return _serve(options)
    except _Failure as failure:
        sys.stderr.write(f"foodbench.serving: {' '.join(str(failure).split())}\n")
        return failure.exit_code


class _Failure(Exception):
    """What ends the service before its time; one line for the user."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def _serve(options: argparse.Namespace) -> int:
    keep_freed_memory()
    try:
        from foodbench.imaging import ImageError
        from foodbench.serving.bundle import BundleError, read_manifest
        from foodbench.serving.limits import Limits
        from foodbench.serving.runtimes import RuntimeUnavailable
        from foodbench.serving.server import Service, run
    except ModuleNotFoundError as error:
        raise _Failure(
            f"the package {error.name} is not installed. Install foodbench[serve].", MACHINE_EXIT_CODE
        ) from error
    try:
        manifest = read_manifest(options.bundle)
        service = Service(
            directory=options.bundle,
            manifest=manifest,
            settings=_settings(options, _batching(options, manifest.runtime)),
            limits=Limits(most_body_bytes=options.most_body_bytes, read_timeout_s=options.read_timeout_s),
            drain_s=options.drain_s,
            linger_s=options.linger_s,
        )
        with _listener(options.host, options.port) as listener:
            return run(service, listener)
    except (BundleError, ImageError) as error:
        raise _Failure(str(error), BUNDLE_EXIT_CODE) from error
    except RuntimeUnavailable as error:
        raise _Failure(str(error), MACHINE_EXIT_CODE) from error


def _batching(options: argparse.Namespace, runtime: str) -> Batching:
    from foodbench.serving.runtimes import BATCHING_RUNTIMES

    if options.batch_size == 1:
        return ALONE
    if runtime not in BATCHING_RUNTIMES:
        raise _Failure(
            f"--batch-size {options.batch_size} would only add waiting: the runtime {runtime} computes images one by "
            f"one. Leave it out, or serve one of: {', '.join(BATCHING_RUNTIMES)}.",
            2,
        )
    return Batching(size=options.batch_size, wait_s=options.batch_wait_ms / 1000)


def _settings(options: argparse.Namespace, batching: Batching) -> Settings:
    cpu = available_cpu()
    threads = worker_count(cpu.cores) if options.threads is None else options.threads
    workers = threads if options.workers is None else options.workers
    if threads % workers:
        raise _Failure(f"--workers {workers} does not divide the {threads} threads evenly.", 2)
    return Settings(
        cpu=cpu,
        workers=workers,
        threads_per_worker=threads // workers,
        queue_capacity=options.queue_capacity,
        deadline_s=options.deadline_s,
        batching=batching,
    )


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise _Failure(
            f"cannot listen on {host} port {port}: {error.strerror or error}. Choose another one with --port.",
            MACHINE_EXIT_CODE,
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m foodbench.serving", description="Serve a bundle over HTTP.")
    add = parser.add_argument
    add("--bundle", type=Path, required=True, metavar="DIR", help="folder written by foodbench package")
    add("--port", type=_number(int, 0, 65535), required=True, help="port to listen on; 0 takes a free one")
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--threads", type=_number(int, 1, 1024), metavar="N", help="inference threads in all (the cores available)")
    add("--workers", type=_number(int, 1, 1024), metavar="N", help="predictions computed side by side (one a thread)")
    add(
        "--queue-capacity",
        type=_number(int, 0, 1_000_000),
        default=DEFAULT_QUEUE_CAPACITY,
        metavar="N",
        help="requests that may wait for a worker; 0 for no bound (%(default)s)",
    )
    add(
        "--deadline-s",
        type=_seconds,
        default=DEFAULT_DEADLINE_S,
        metavar="S",
        help="longest wait for a worker (%(default)s)",
    )
    add(
        "--batch-size",
        type=_number(int, 1, MOST_BATCH_SIZE),
        default=1,
        metavar="N",
        help="most images computed at once, on the runtime keras only; 1 for each alone (%(default)s)",
    )
    add(
        "--batch-wait-ms",
        type=_number(float, 0, MOST_BATCH_WAIT_MS),
        default=DEFAULT_BATCH_WAIT_MS,
        metavar="T",
        help="longest wait of a batch's first image for the others (%(default)s)",
    )
    add(
        "--drain-s",
        type=_seconds,
        default=DEFAULT_DRAIN_S,
        metavar="S",
        help="serve on for S after SIGTERM (%(default)s)",
    )
    add(
        "--linger-s",
        type=_seconds,
        default=DEFAULT_LINGER_S,
        metavar="S",
        help="after that, serve on while requests still come, S more at most (%(default)s)",
    )
    add(
        "--read-timeout-s",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="for a request's head, and its body (%(default)s)",
    )
    add(
        "--most-body-bytes",
        type=_number(int, 1, 1 << 32),
        default=16 << 20,
        metavar="N",
        help="of a request (%(default)s)",
    )
    return parser


def _number(kind: type[int | float], least: int, most: int) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"should be {least} to {most}. Received: {text}")
        return value

    return number


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 <= value <= 86_400):
        raise argparse.ArgumentTypeError(f"should be 0 to 86400 seconds. Received: {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
