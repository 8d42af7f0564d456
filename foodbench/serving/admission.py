"""Admission: which requests are computed, and in which order.

A request waits in a bounded queue until a worker takes it. Beyond the bound it is refused at once,
since a request that waits longer than its client does is work for nobody. For the same reason a
request whose client has gone, or whose deadline has passed, is taken out without being computed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["Answer", "Expired", "Job", "QueueFull", "RoomClosed", "WaitingRoom"]


class QueueFull(Exception):
    """The queue is at its capacity; the request is shed."""


class RoomClosed(Exception):
    """No worker is there: not yet, or no more."""


class Expired(Exception):
    """The request's deadline passed while it waited."""


class Answer:
    """What a worker computed for one image.

    Args:
        probabilities: Of each class.
        queue_s: How long it was neither decoded nor computed: it waited for a worker and, in a batch, for
            the batch to fill and for the other images of it to be decoded.
        decode_s: How long its own decoding took.
        inference_s: How long the model took. For an image of a batch that is the time of the whole batch,
            which its client waited for, and no share of it.
    """

    __slots__ = ("decode_s", "inference_s", "probabilities", "queue_s")

    def __init__(
        self, probabilities: npt.NDArray[np.float32], *, queue_s: float, decode_s: float, inference_s: float
    ) -> None:
        self.probabilities = probabilities
        self.queue_s = queue_s
        self.decode_s = decode_s
        self.inference_s = inference_s


class Job:
    """One image on its way through the queue and a worker.

    Args:
        image: The encoded image.
        deadline_s: When it is too late to begin, on ``time.monotonic``'s clock.
        loop: The event loop that waits for ``answer``.
    """

    __slots__ = ("_loop", "answer", "deadline_s", "image", "submitted_s")

    def __init__(self, image: bytes, *, deadline_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self.image = image
        self.deadline_s = deadline_s
        self.submitted_s = time.monotonic()
        self.answer: asyncio.Future[Answer] = loop.create_future()
        self._loop = loop

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for the answer any more; may be asked from a worker's thread."""
        return self.answer.done()

    def succeed(self, answer: Answer) -> None:
        """Hand the answer to the event loop, from a worker's thread."""
        self._hand_over(lambda: self.answer.set_result(answer))

    def fail(self, error: Exception) -> None:
        """Hand a failure to the event loop, from a worker's thread."""
        self._hand_over(lambda: self.answer.set_exception(error))

    def _hand_over(self, settle: Callable[[], None]) -> None:
        def settle_unless_abandoned() -> None:
            if not self.answer.done():
                settle()

        self._loop.call_soon_threadsafe(settle_unless_abandoned)


class WaitingRoom:
    """The queue between the event loop and the workers. It is closed until there are workers.

    Args:
        capacity: Most requests that may wait (those being computed are not counted); 0 for no bound.
        clock: Seconds, as deadlines are counted in.
    """

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self._clock = clock
        self._waiting: OrderedDict[Job, None] = OrderedDict()
        self._changed = threading.Condition(threading.Lock())
        self._is_open = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether a request that came now would be shed."""
        return 0 < self.capacity <= len(self._waiting)

    def enter(self, job: Job) -> None:
        """Let ``job`` wait for a worker.

        Raises:
            QueueFull: The capacity is reached.
            RoomClosed: No worker would ever take it.
        """
        with self._changed:
            if not self._is_open:
                raise RoomClosed
            if self.is_full:
                raise QueueFull
            self._waiting[job] = None
            self._changed.notify()

    def leave(self, job: Job) -> None:
        """Take ``job`` out, if it still waits: its client has gone."""
        with self._changed:
            self._waiting.pop(job, None)

    def next(self) -> Job | None:
        """Wait for the next job that is still worth computing; None once the room is closed and empty."""
        while True:
            with self._changed:
                while not self._waiting:
                    if not self._is_open:
                        return None
                    self._changed.wait()
                job, _ = self._waiting.popitem(last=False)
            if self._clock() < job.deadline_s:
                return job
            job.fail(Expired())

    def next_batch(self, most: int, wait_s: float) -> list[Job]:
        """Wait for the next job as ``next`` does, and then for others to be computed with it.

        Args:
            most: Jobs of a batch. Once there are as many, nothing more is waited for.
            wait_s: How long the first job waits for the others, in seconds.

        Returns:
            At least one job, in the order they came, none past its deadline; empty once the room is
            closed and empty.
        """
        while (first := self.next()) is not None:
            gathered = self._gathered(first, most, wait_s)
            began_s = self._clock()
            on_time = [job for job in gathered if began_s < job.deadline_s]
            for job in gathered:
                if began_s >= job.deadline_s:
                    job.fail(Expired())
            if on_time:
                return on_time
        return []

    def _gathered(self, first: Job, most: int, wait_s: float) -> list[Job]:
        gathered = [first]
        give_up_s = self._clock() + wait_s
        with self._changed:
            while len(gathered) < most:
                # Looked at before the clock: a worker that was woken for a job may not leave without it.
                if self._waiting:
                    gathered.append(self._waiting.popitem(last=False)[0])
                    continue
                left_s = give_up_s - self._clock()
                if left_s <= 0 or not self._is_open:
                    break
                self._changed.wait(left_s)
        return gathered

    def open(self) -> None:
        """Let requests in."""
        with self._changed:
            self._is_open = True

    def close(self) -> None:
        """Let no more in, and send the workers home when what waits is done."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
