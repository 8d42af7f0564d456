"""The waiting room: bounded, in order, and never computing what nobody waits for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from foodbench.serving.admission import Expired, Job, QueueFull, RoomClosed, WaitingRoom


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
