"""The workers: a fixed number of threads, each with an interpreter of its own.

A worker decodes and computes one image at a time. Both release the interpreter lock for nearly all
of their time, so the event loop stays free and the threads run side by side.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foodbench import imaging
from foodbench.serving.admission import Answer, Job, WaitingRoom
from foodbench.serving.runtimes import Runtime, RuntimeDescription

__all__ = ["InferenceFailed", "Loaded", "WorkerPool"]

WARM_UP_PREDICTIONS = 3
"""The first ones allocate and pack; from the third on their times are steady."""


class InferenceFailed(Exception):
    """The model could not compute an answer to a good image."""


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
    """

    def __init__(self, room: WaitingRoom, load: Callable[[], Runtime], *, workers: int, input_size_px: int) -> None:
        self._room = room
        self._load = load
        self._workers = workers
        self._input_size_px = input_size_px
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
            for _ in range(WARM_UP_PREDICTIONS):
                runtime.predict(imaging.decode(test_image, self._input_size_px)[np.newaxis])
        loaded = Loaded(first.description, time.monotonic() - began)
        self._room.open()
        for number, runtime in enumerate(runtimes):
            thread = threading.Thread(target=self._work, args=(runtime,), name=f"worker-{number}", daemon=True)
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

    def _work(self, runtime: Runtime) -> None:
        while (job := self._room.next()) is not None:
            try:
                job.succeed(self._compute(runtime, job))
            except Exception as error:  # noqa: BLE001 - a worker outlives whatever one image does to it
                job.fail(error)

    def _compute(self, runtime: Runtime, job: Job) -> Answer:
        taken = time.monotonic()
        pixels = imaging.decode(job.image, self._input_size_px)
        decoded = time.monotonic()
        try:
            probabilities = runtime.predict(pixels[np.newaxis])[0]
        except Exception as error:
            raise InferenceFailed(f"{type(error).__name__}: {error}") from error
        if not np.isfinite(probabilities).all():
            raise InferenceFailed("the model answered something that is no number")
        return Answer(
            probabilities,
            queue_s=taken - job.submitted_s,
            decode_s=decoded - taken,
            inference_s=time.monotonic() - decoded,
        )
