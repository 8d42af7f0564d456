"""The workers: a fixed number of threads, each with an interpreter of its own.

A worker decodes and computes one image at a time, or gathers a few to compute them at once. Decoding and
computing release the interpreter lock for nearly all of their time, so the event loop stays free and the
threads run side by side.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foodbench import imaging
from foodbench.serving.admission import WaitingRoom
from foodbench.serving.computing import compute, compute_together
from foodbench.serving.runtimes import Runtime, RuntimeDescription
from foodbench.serving.settings import ALONE, Batching

__all__ = ["Loaded", "WorkerPool"]

WARM_UP_PREDICTIONS = 3
"""The first ones allocate and pack; from the third on their times are steady."""


@dataclass(frozen=True)
class Loaded:
    """What the pool found out while it loaded."""

    description: RuntimeDescription
    load_duration_s: float


class WorkerPool:
    """Threads that take jobs from the waiting room.

    Args:
        room: Where jobs wait.
        load: Returns the loaded runtime.
        workers: How many threads.
        input_size_px: Side of the square the model takes.
        batching: How many images a worker computes at once.
        on_batch: Called in a worker's thread with the number of images it has computed at once, where
            that may be more than one.
    """

    def __init__(
        self,
        room: WaitingRoom,
        load: Callable[[], Runtime],
        *,
        workers: int,
        input_size_px: int,
        batching: Batching = ALONE,
        on_batch: Callable[[int], object] = lambda _images: None,
    ) -> None:
        self._room = room
        self._load = load
        self._workers = workers
        self._input_size_px = input_size_px
        self._batching = batching
        self._on_batch = on_batch
        self._threads: list[threading.Thread] = []

    def start(self, test_image: bytes) -> Loaded:
        """Load the model for each worker, warm it up, and begin to work. Blocks meanwhile.

        Args:
            test_image: What to warm up with.

        Raises:
            BundleError: The weights cannot be served.
            RuntimeUnavailable: The runtime is not installed.
            ImageError: The test image cannot be decoded.
        """
        began = time.monotonic()
        first = self._load()
        runtimes = [first, *(first.twin() for _ in range(self._workers - 1))]
        for runtime in runtimes:
            self._warm_up(runtime, test_image)
        loaded = Loaded(first.description, time.monotonic() - began)
        self._room.open()
        work = self._work if self._batching == ALONE else self._work_in_batches
        for number, runtime in enumerate(runtimes):
            thread = threading.Thread(target=work, args=(runtime,), name=f"worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return loaded

    def stop(self) -> None:
        """Finish the jobs that wait, then end the threads."""
        self._room.close()
        for thread in self._threads:
            thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether no worker has died."""
        return all(thread.is_alive() for thread in self._threads)

    def _warm_up(self, runtime: Runtime, test_image: bytes) -> None:
        # The sizes between are left cold: their first batch takes some tens of milliseconds longer.
        for size in sorted({1, self._batching.size}):
            for _ in range(WARM_UP_PREDICTIONS):
                pixels = imaging.decode(test_image, self._input_size_px)[np.newaxis]
                runtime.predict(np.repeat(pixels, size, axis=0))

    def _work(self, runtime: Runtime) -> None:
        while (job := self._room.next()) is not None:
            try:
                job.succeed(compute(runtime, job, self._input_size_px))
            except Exception as error:  # noqa: BLE001 - a worker outlives whatever one image does to it
                job.fail(error)

    def _work_in_batches(self, runtime: Runtime) -> None:
        while jobs := self._room.next_batch(self._batching.size, self._batching.wait_s):
            if images := compute_together(runtime, jobs, self._input_size_px):
                self._on_batch(images)
