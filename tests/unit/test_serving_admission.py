"""The waiting room: bounded, in order, and never computing what nobody waits for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from foodbench.serving.admission import Expired, Job, QueueFull, RoomClosed, WaitingRoom

SETTLED_S = 60.0
NEVER_S = 3600.0


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def job(loop: asyncio.AbstractEventLoop, within_s: float = 3600.0) -> Job:
    return Job(b"", deadline_s=time.monotonic() + within_s, loop=loop)


def open_room(capacity: int) -> WaitingRoom:
    room = WaitingRoom(capacity)
    room.open()
    return room


def test_first_come_first_served(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(3)
    jobs = [job(loop) for _ in range(3)]
    for each in jobs:
        room.enter(each)
    assert [room.next() for _ in jobs] == jobs


def test_the_capacity_is_exact(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(2)
    first = job(loop)
    fullness = []
    for each in (first, job(loop)):
        room.enter(each)
        fullness.append(room.is_full)
    assert fullness == [False, True]
    with pytest.raises(QueueFull):
        room.enter(job(loop))
    assert room.next() is first
    room.enter(job(loop))
    assert len(room) == 2


def test_a_capacity_of_zero_is_no_bound(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(0)
    for _ in range(1000):
        room.enter(job(loop))
    assert len(room) == 1000
    assert not room.is_full


def test_who_has_left_is_not_computed_and_frees_a_place(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(2)
    gone, stays = job(loop), job(loop)
    room.enter(gone)
    room.enter(stays)
    room.leave(gone)
    room.leave(gone)
    assert not room.is_full
    assert room.next() is stays


def test_past_its_deadline_a_job_is_not_computed(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(2)
    late, on_time = job(loop, within_s=-1.0), job(loop)
    room.enter(late)
    room.enter(on_time)
    assert room.next() is on_time

    async def outcome() -> None:
        await late.answer

    with pytest.raises(Expired):
        loop.run_until_complete(outcome())


def test_a_closed_room_lets_nobody_in(loop: asyncio.AbstractEventLoop) -> None:
    room = WaitingRoom(2)
    with pytest.raises(RoomClosed):
        room.enter(job(loop))
    room.open()
    waiting = job(loop)
    room.enter(waiting)
    room.close()
    with pytest.raises(RoomClosed):
        room.enter(job(loop))
    assert room.next() is waiting
    assert room.next() is None


def test_closing_sends_idle_workers_home() -> None:
    room = open_room(1)
    taken: list[Job | None] = []
    workers = [threading.Thread(target=lambda: taken.append(room.next())) for _ in range(3)]
    for worker in workers:
        worker.start()
    room.close()
    for worker in workers:
        worker.join(60)
    assert taken == [None, None, None]


def test_an_answer_to_a_job_given_up_is_dropped(loop: asyncio.AbstractEventLoop) -> None:
    given_up = job(loop)
    given_up.answer.cancel()
    given_up.fail(Expired())
    loop.run_until_complete(asyncio.sleep(0))
    assert given_up.answer.cancelled()


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Gathering:
    """A worker that gathers one batch in a thread of its own."""

    def __init__(self, most: int, wait_s: float, *, capacity: int = 0) -> None:
        self.clock = Clock()
        self.room = WaitingRoom(capacity, self.clock)
        self.room.open()
        self._executor = ThreadPoolExecutor(1)
        self._batch = self._executor.submit(self.room.next_batch, most, wait_s)

    def taken(self, *jobs: Job) -> None:
        """Let jobs come, and return when the worker has taken all of them."""
        for each in jobs:
            self.room.enter(each)
        until(lambda: len(self.room) == 0)

    def batch(self) -> list[Job]:
        return self._batch.result(SETTLED_S)

    def end(self) -> None:
        self.room.close()
        self._executor.shutdown()


@contextmanager
def gathering(most: int, wait_s: float) -> Iterator[Gathering]:
    worker = Gathering(most, wait_s)
    try:
        yield worker
    finally:
        worker.end()


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SETTLED_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)


def due(loop: asyncio.AbstractEventLoop, deadline_s: float = NEVER_S) -> Job:
    """Return a job with its deadline on the tests' clock."""
    return Job(b"", deadline_s=deadline_s, loop=loop)


def error_of(loop: asyncio.AbstractEventLoop, failed: Job) -> BaseException | None:
    loop.run_until_complete(asyncio.wait([failed.answer], timeout=SETTLED_S))
    return failed.answer.exception()


def test_a_batch_takes_what_waits_in_order_and_no_more_than_it_may(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(5)
    jobs = [job(loop) for _ in range(5)]
    for each in jobs:
        room.enter(each)
    assert room.next_batch(3, NEVER_S) == jobs[:3]
    assert room.next_batch(3, 0.0) == jobs[3:]


def test_a_batch_of_one_waits_for_nobody(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(1)
    alone = job(loop)
    room.enter(alone)
    assert room.next_batch(1, NEVER_S) == [alone]


def test_a_batch_waits_for_others_until_it_is_full(loop: asyncio.AbstractEventLoop) -> None:
    with gathering(3, NEVER_S) as worker:
        jobs = [due(loop) for _ in range(3)]
        for each in jobs:
            worker.taken(each)
        assert worker.batch() == jobs


def test_the_wait_is_the_first_jobs_and_not_prolonged_by_the_next(loop: asyncio.AbstractEventLoop) -> None:
    with gathering(3, 10.0) as worker:
        first, second = due(loop), due(loop)
        worker.taken(first)
        # So little of the wait is left on the worker's clock that it looks at it again and again.
        worker.clock.now_s = 9.999
        worker.taken(second)
        worker.clock.now_s = 10.0
        assert worker.batch() == [first, second]


def test_a_batch_whose_wait_is_over_is_computed_with_one_job(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(1)
    alone = job(loop)
    room.enter(alone)
    began_s = time.monotonic()
    assert room.next_batch(8, 0.02) == [alone]
    assert time.monotonic() - began_s >= 0.02


def test_past_its_deadline_a_job_is_not_in_a_batch(loop: asyncio.AbstractEventLoop) -> None:
    room = open_room(4)
    jobs = [job(loop, within_s) for within_s in (-1.0, 3600.0, -1.0, 3600.0)]
    for each in jobs:
        room.enter(each)
    assert room.next_batch(3, 0.0) == [jobs[1], jobs[3]]
    assert [type(error_of(loop, late)) for late in (jobs[0], jobs[2])] == [Expired, Expired]


def test_a_deadline_that_passes_while_the_batch_fills_counts(loop: asyncio.AbstractEventLoop) -> None:
    with gathering(2, NEVER_S) as worker:
        short, long = due(loop, deadline_s=5.0), due(loop)
        worker.taken(short)
        worker.clock.now_s = 5.0
        worker.taken(long)
        assert worker.batch() == [long]
    assert isinstance(error_of(loop, short), Expired)


def test_a_batch_of_late_jobs_only_is_none_and_the_worker_waits_on(loop: asyncio.AbstractEventLoop) -> None:
    with gathering(2, 5.0) as worker:
        late = due(loop, deadline_s=5.0)
        worker.taken(late)
        worker.clock.now_s = 5.0
        # Woken by it, the worker sees that its wait is over; what comes then opens the next batch.
        gone = due(loop, deadline_s=5.0)
        worker.taken(gone)
        assert [type(error_of(loop, each)) for each in (late, gone)] == [Expired, Expired]
        next_ones = [due(loop), due(loop)]
        worker.taken(*next_ones)
        assert worker.batch() == next_ones


def test_closing_ends_a_batchs_wait_and_sends_its_worker_home(loop: asyncio.AbstractEventLoop) -> None:
    with gathering(2, NEVER_S) as worker:
        last = due(loop)
        worker.taken(last)
        worker.room.close()
        assert worker.batch() == [last]
        assert worker.room.next_batch(2, NEVER_S) == []


def test_workers_that_gather_side_by_side_leave_nothing_behind() -> None:
    room, count = open_room(0), 2000
    loop = asyncio.new_event_loop()
    batches: list[list[Job]] = []

    def work() -> None:
        while batch := room.next_batch(3, 0.0001):
            batches.append(batch)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    jobs = [job(loop) for _ in range(count)]
    for each in jobs:
        room.enter(each)
    until(lambda: len(room) == 0)
    room.close()
    for worker in workers:
        worker.join(SETTLED_S)
    loop.close()
    taken = [each for batch in batches for each in batch]
    assert len(taken) == count
    assert set(taken) == set(jobs)
    assert max(map(len, batches)) <= 3
