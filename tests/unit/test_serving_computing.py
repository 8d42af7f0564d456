"""Images computed at once: each gets the answer it would get alone, and fails alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from tiny_bundles import COLOURS, picture

from foodbench.imaging import ImageError
from foodbench.serving.admission import Answer, Job
from foodbench.serving.computing import InferenceFailed, compute, compute_together
from foodbench.serving.runtimes import RuntimeDescription

SIZE_PX = 8

Probabilities = npt.NDArray[np.float32]


class Averaging:
    """A runtime that answers an image's mean colour, and notes the size of each batch."""

    description = RuntimeDescription("averaging", "1", 1, "float32")

    def __init__(self, change: Callable[[Probabilities], Probabilities] = lambda answered: answered) -> None:
        self.batches: list[int] = []
        self._change = change

    def predict(self, batch: npt.NDArray[np.uint8]) -> Probabilities:
        self.batches.append(len(batch))
        return self._change(batch.mean(axis=(1, 2), dtype=np.float32) / 255)

    def twin(self) -> Averaging:
        return self


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def job(loop: asyncio.AbstractEventLoop, image: bytes) -> Job:
    return Job(image, deadline_s=time.monotonic() + 3600, loop=loop)


def outcomes(loop: asyncio.AbstractEventLoop, jobs: Sequence[Job]) -> list[Answer | BaseException]:
    gathered = asyncio.gather(*(each.answer for each in jobs), return_exceptions=True)
    return loop.run_until_complete(asyncio.wait_for(_result(gathered), 60))


async def _result(
    gathered: asyncio.Future[list[Answer | BaseException]],
) -> list[Answer | BaseException]:
    return await gathered


def test_each_image_gets_the_answer_it_gets_alone(loop: asyncio.AbstractEventLoop) -> None:
    runtime = Averaging()
    jobs = [job(loop, picture(colour)) for colour in COLOURS.values()]
    alone = [compute(runtime, each, SIZE_PX).probabilities.tolist() for each in jobs]
    runtime.batches.clear()
    assert compute_together(runtime, jobs, SIZE_PX) == len(jobs)
    assert runtime.batches == [len(jobs)]
    answers = outcomes(loop, jobs)
    assert [answer.probabilities.tolist() for answer in answers if isinstance(answer, Answer)] == alone


def test_a_malformed_image_fails_alone(loop: asyncio.AbstractEventLoop) -> None:
    runtime = Averaging()
    jobs = [job(loop, image) for image in (picture((255, 0, 0)), b"no image", picture((0, 0, 255)))]
    assert compute_together(runtime, jobs, SIZE_PX) == 2
    first, malformed, last = outcomes(loop, jobs)
    assert isinstance(malformed, ImageError)
    assert isinstance(first, Answer)
    assert isinstance(last, Answer)
    assert (first.probabilities.tolist(), last.probabilities.tolist()) == ([1, 0, 0], [0, 0, 1])
    assert runtime.batches == [2]


def test_who_has_gone_since_is_not_computed(loop: asyncio.AbstractEventLoop) -> None:
    runtime = Averaging()
    stays, gone = (job(loop, picture((0, 255, 0))) for _ in range(2))
    gone.answer.cancel()
    assert compute_together(runtime, [gone, stays], SIZE_PX) == 1
    assert isinstance(outcomes(loop, [stays])[0], Answer)
    assert runtime.batches == [1]


def test_with_nothing_left_the_model_is_not_asked(loop: asyncio.AbstractEventLoop) -> None:
    runtime = Averaging()
    malformed, gone = job(loop, b""), job(loop, picture((0, 255, 0)))
    gone.answer.cancel()
    assert compute_together(runtime, [malformed, gone], SIZE_PX) == 0
    assert runtime.batches == []
    assert isinstance(outcomes(loop, [malformed])[0], ImageError)


def one_of_them_no_number(answered: Probabilities) -> Probabilities:
    answered[0] = np.nan
    return answered


def refuse(_answered: Probabilities) -> Probabilities:
    raise RuntimeError("out of order")


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (one_of_them_no_number, [True, False]),
        (refuse, [True, True]),
        (lambda answered: answered[:1], [True, True]),
    ],
)
def test_a_model_that_fails_fails_those_it_gave_no_answer(
    loop: asyncio.AbstractEventLoop, change: Callable[[Probabilities], Probabilities], failed: list[bool]
) -> None:
    jobs = [job(loop, picture((0, 255, 0))) for _ in range(2)]
    assert compute_together(Averaging(change), jobs, SIZE_PX) == 2
    assert [isinstance(outcome, InferenceFailed) for outcome in outcomes(loop, jobs)] == failed


def test_an_images_times_add_up_to_how_long_it_took(loop: asyncio.AbstractEventLoop) -> None:
    jobs = [job(loop, picture((0, 255, 0), size)) for size in ((64, 64), (1500, 1500))]
    compute_together(Averaging(), jobs, SIZE_PX)
    ended_s = time.monotonic()
    small, large = (answer for answer in outcomes(loop, jobs) if isinstance(answer, Answer))
    for each, answer in zip(jobs, (small, large), strict=True):
        total_s = answer.queue_s + answer.decode_s + answer.inference_s
        assert 0 < answer.decode_s < total_s <= ended_s - each.submitted_s
    assert small.inference_s == large.inference_s
    # Decoded first, it waited for the other one.
    assert small.queue_s >= large.decode_s
