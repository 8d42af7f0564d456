"""Run the service: load while listening, serve, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from foodbench.serving.admission import WaitingRoom
from foodbench.serving.answers import last_on_connection
from foodbench.serving.app import build_app
from foodbench.serving.bundle import BundleManifest
from foodbench.serving.connections import Refusing, limited_protocol
from foodbench.serving.draining import PROBE_PATHS, Traffic, until_unused
from foodbench.serving.info import information
from foodbench.serving.lifecycle import Lifecycle
from foodbench.serving.limits import BodyReader, Limits
from foodbench.serving.metrics import Metrics
from foodbench.serving.pool import Loaded, WorkerPool
from foodbench.serving.predictions import Predictions
from foodbench.serving.runtimes import create_runtime
from foodbench.serving.settings import Settings

__all__ = ["INTERRUPTED_EXIT_CODE", "Service", "run"]

INTERRUPTED_EXIT_CODE = 130

KEEP_ALIVE_S = 75
"""How long an idle connection is kept: longer than the load balancers in front of it keep theirs (60 s)."""


@dataclass(frozen=True)
class Service:
    """What to serve, and how."""

    directory: Path
    manifest: BundleManifest
    settings: Settings
    limits: Limits
    drain_s: float
    """How long it serves on at least, unready, after SIGTERM."""
    linger_s: float
    """How much longer it serves on while requests still come."""


def run(service: Service, listener: socket.socket) -> int:
    """Serve until told to stop.

    Args:
        service: What to serve, and how.
        listener: A bound socket; it is closed at the end.

    Returns:
        The exit code: 0 after SIGTERM, 130 after an interrupt.

    Raises:
        BundleError: The weights cannot be served.
        RuntimeUnavailable: The runtime is not installed.
        ImageError: The test image cannot be decoded.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_Replica(service).serve(listener))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class _Server(uvicorn.Server):
    """uvicorn's server, without its signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Replica:
    """One service from its start to its end."""

    def __init__(self, service: Service) -> None:
        self._service = service
        manifest, settings = service.manifest, service.settings
        self._test_image = (service.directory / manifest.test_image_file).read_bytes()
        self._lifecycle = Lifecycle()
        self._loaded: Loaded | None = None
        room = WaitingRoom(settings.queue_capacity)
        metrics = Metrics(queue_depth=lambda: len(room))
        self._pool = WorkerPool(
            room,
            lambda: create_runtime(manifest, service.directory, settings.threads_per_worker, settings.workers),
            workers=settings.workers,
            input_size_px=manifest.input_size_px,
            batching=settings.batching,
            on_batch=metrics.observe_batch,
        )
        self._predictions = Predictions(
            room=room,
            bodies=BodyReader(service.limits),
            metrics=metrics,
            classes=manifest.classes,
            test_image=self._test_image,
            deadline_s=settings.deadline_s,
        )
        self._shed = last_on_connection(self._predictions.shed)
        app = build_app(
            predictions=self._predictions,
            metrics=metrics,
            lifecycle=self._lifecycle,
            information=lambda: information(manifest, settings, self._loaded),
            is_alive=lambda: self._pool.is_alive,
        )
        self._server = _Server(
            uvicorn.Config(
                app,
                http=limited_protocol(
                    service.limits,
                    metrics.count_shed_connection,
                    metrics.count_used_connection,
                    Refusing(is_full=lambda: room.is_full, refuse=self._refuse),
                ),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                # No accepted request waits longer than its deadline.
                timeout_graceful_shutdown=math.ceil(settings.deadline_s) + 5,
            )
        )
        self._exit_code = 0
        self._draining: asyncio.Task[None] | None = None

    async def serve(self, listener: socket.socket) -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_terminate)
        loop.add_signal_handler(signal.SIGINT, self._on_interrupt)
        url = _url(listener)
        serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        try:
            self._loaded = await asyncio.to_thread(self._pool.start, self._test_image)
            # What is loaded stays to the end: without this every full collection walks through it, while requests wait.
            gc.freeze()
            self._lifecycle.loaded()
            self._announce(url)
        except BaseException:
            self._server.should_exit = True
            raise
        finally:
            await serving
            if self._draining is not None:
                self._draining.cancel()
            await asyncio.to_thread(self._pool.stop)
        return self._exit_code

    def _announce(self, url: str) -> None:
        manifest, settings = self._service.manifest, self._service.settings
        sys.stdout.write(
            f"serving {manifest.model_name} ({manifest.runtime}) on {url}: "
            f"workers {settings.workers}, threads of each {settings.threads_per_worker}\n"
        )
        sys.stdout.flush()

    def _on_terminate(self) -> None:
        if self._lifecycle.state == "draining":
            self._server.should_exit = True
            return
        self._lifecycle.drain()
        self._draining = asyncio.create_task(self._end_once_unused())

    def _on_interrupt(self) -> None:
        self._exit_code = INTERRUPTED_EXIT_CODE
        self._server.force_exit = self._server.should_exit
        self._lifecycle.drain()
        self._end()

    async def _end_once_unused(self) -> None:
        await until_unused(self._traffic, least_s=self._service.drain_s, linger_s=self._service.linger_s)
        self._end()

    def _refuse(self, method: str, path: str) -> bytes | None:
        if not self._predictions.sheds(method, path):
            return None
        self._lifecycle.requests += 1
        return self._shed

    def _traffic(self) -> Traffic:
        # Of uvicorn's protocols only those that ``limited_protocol`` builds upon are here, and both have it.
        connections: Iterable[Any] = self._server.server_state.connections
        last = [connection.cycle for connection in connections]
        used = [cycle for cycle in last if cycle is not None and cycle.scope["path"] not in PROBE_PATHS]
        return Traffic(requests=self._lifecycle.requests, connections=len(used))

    def _end(self) -> None:
        self._server.should_exit = True


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
