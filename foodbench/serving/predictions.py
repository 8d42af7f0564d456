"""/predict and /test: from a request to an answer, through the waiting room."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from foodbench.imaging import ImageError
from foodbench.serving.admission import Answer, Expired, Job, QueueFull, RoomClosed, WaitingRoom
from foodbench.serving.answers import prediction, refusal
from foodbench.serving.limits import BodyReader, BodyTooLarge, BodyTooSlow, BuffersFull, ClientGone, Upload
from foodbench.serving.metrics import Metrics, Outcome
from foodbench.serving.uploads import UploadError, image_in

__all__ = ["RETRY_AFTER_S", "Predictions"]

RETRY_AFTER_S = 1
"""The shortest that can be said. A queue of the default length is worked off within it by one core on MobileNetV2."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's own status for it. Nobody receives it."""

log = logging.getLogger(__name__)


class Predictions:
    """Answers requests for a prediction.

    Args:
        room: Where they wait for a worker.
        bodies: Reads request bodies.
        metrics: Where they are counted.
        classes: Names, by class id.
        test_image: What /test predicts.
        deadline_s: How long a request may wait for a worker.
    """

    def __init__(
        self,
        *,
        room: WaitingRoom,
        bodies: BodyReader,
        metrics: Metrics,
        classes: Sequence[str],
        test_image: bytes,
        deadline_s: float,
    ) -> None:
        self._room = room
        self._bodies = bodies
        self._metrics = metrics
        self._classes = classes
        self._test_image = test_image
        self._deadline_s = deadline_s
        self.shed = _refused(_MEANINGS[QueueFull])
        """The answer where ``sheds`` says so."""

    def sheds(self, method: str, path: str) -> bool:
        """Whether a request is a GET of /test that the full queue turns away; it is counted then.

        Nothing of such a request needs to be read or routed, and under overload nearly all are refused:
        what a refusal costs is taken from those that are computed.
        """
        if not self._room.is_full or path != "/test" or method != "GET":
            return False
        self._metrics.count("test", "shed")
        return True

    async def predict(self, request: Request) -> Response:
        """Predict the image in the request's body."""
        return await self._counted("predict", request, self._predict)

    async def test(self, request: Request) -> Response:
        """Predict the bundled test image, decoding included, as if it had been sent."""
        return await self._counted("test", request, self._test)

    async def _predict(self, request: Request) -> Answer:
        if self._room.is_full:
            await self._bodies.discard(Upload.of(request))
            raise QueueFull
        body = await self._bodies.read(Upload.of(request))
        try:
            image = image_in(body, request.headers.get("content-type", ""))
            return await self._through_the_room(image, request.receive)
        finally:
            self._bodies.release(len(body))

    async def _test(self, request: Request) -> Answer:
        if request.method == "POST":
            body = await self._bodies.read(Upload.of(request))
            self._bodies.release(len(body))
        return await self._through_the_room(self._test_image, request.receive)

    async def _through_the_room(self, image: bytes, receive: Receive) -> Answer:
        job = Job(image, deadline_s=time.monotonic() + self._deadline_s, loop=asyncio.get_running_loop())
        self._room.enter(job)
        watch = asyncio.ensure_future(_cancel_when_gone(job, receive))
        try:
            return await job.answer
        except asyncio.CancelledError:
            self._room.leave(job)
            if watch.done():
                raise ClientGone from None
            raise
        finally:
            watch.cancel()

    async def _counted(self, route: str, request: Request, compute: Callable[[Request], Awaitable[Answer]]) -> Response:
        began = time.monotonic()
        self._metrics.in_flight.inc()
        try:
            answer = await compute(request)
        except Exception as error:  # noqa: BLE001 - each becomes a status; the unforeseen ones a 500
            meaning = _meaning(error)
            self._metrics.count(route, meaning.outcome)
            return _refused(meaning)
        else:
            self._metrics.count(route, "ok")
            self._metrics.observe(answer, time.monotonic() - began)
            return prediction(answer, self._classes)
        finally:
            self._metrics.in_flight.dec()


@dataclass(frozen=True)
class _Meaning:
    """How an error is counted, and what the client gets."""

    outcome: Outcome
    status: int
    reason: str
    headers: dict[str, str]


_LATER = {"retry-after": str(RETRY_AFTER_S)}
_CLOSE = {"connection": "close"}

_MEANINGS: dict[type[Exception], _Meaning] = {
    QueueFull: _Meaning("shed", 503, "too many requests wait already", _LATER),
    BuffersFull: _Meaning("shed", 503, "too many uploads are under way", _LATER),
    RoomClosed: _Meaning("shed", 503, "no worker is there: the model is being loaded, or the service ends", _LATER),
    Expired: _Meaning("expired", 503, "the request waited too long for a worker", _LATER),
    ClientGone: _Meaning("client-gone", CLIENT_CLOSED_REQUEST, "the client has gone", {}),
    BodyTooLarge: _Meaning("refused", 413, "the body is too large", _CLOSE),
    BodyTooSlow: _Meaning("refused", 408, "the body did not arrive in time", _CLOSE),
}


def _refused(meaning: _Meaning) -> Response:
    return refusal(meaning.status, meaning.reason, meaning.headers)


def _meaning(error: Exception) -> _Meaning:
    if isinstance(error, ImageError):
        return _Meaning("refused", 413 if error.too_large else 400, error.reason, {})
    if isinstance(error, UploadError):
        return _Meaning("refused", 400, str(error), {})
    if type(error) not in _MEANINGS:
        log.error("a prediction failed: %s: %s", type(error).__name__, error)
    return _MEANINGS.get(type(error), _Meaning("error", 500, "the prediction failed", {}))


async def _cancel_when_gone(job: Job, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    job.answer.cancel()
