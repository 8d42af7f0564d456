"""The routes without a process: refusals at exact fillings, departures, states, the document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from starlette.types import ASGIApp, Message
from tiny_bundles import COLOURS, picture

from foodbench.serving import openapi, page
from foodbench.serving.admission import WaitingRoom
from foodbench.serving.app import build_app
from foodbench.serving.lifecycle import Lifecycle
from foodbench.serving.limits import BodyReader, Limits
from foodbench.serving.metrics import Metrics
from foodbench.serving.pool import WorkerPool
from foodbench.serving.predictions import Predictions
from foodbench.serving.runtimes import RuntimeDescription
from foodbench.serving.settings import ALONE, Batching

MOST_BODY_BYTES = 10_000
SETTLED_S = 60.0


class Counting:
    """A runtime that counts what it computes, and can be told to answer something wrong."""

    description = RuntimeDescription("counting", "1", 1, "float32")

    def __init__(self) -> None:
        self.computed = 0
        self.answer: Callable[[], npt.NDArray[np.float32]] = lambda: np.eye(len(COLOURS), dtype=np.float32)[:1]

    def predict(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.computed += len(batch)
        return np.repeat(self.answer(), len(batch), axis=0)

    def twin(self) -> Counting:
        return self


@dataclass
class Bench:
    """The service's parts, with workers only once they are started."""

    app: ASGIApp
    room: WaitingRoom
    runtime: Counting
    metrics: Metrics
    lifecycle: Lifecycle
    pool: WorkerPool

    def metric(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)

    def outcomes(self) -> dict[tuple[str, str], float]:
        return {
            (sample.labels["route"], sample.labels["outcome"]): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "foodbench_requests_total" and sample.value
        }


@contextmanager
def bench(
    capacity: int = 2, deadline_s: float = 3600.0, limits: Limits | None = None, batching: Batching = ALONE
) -> Iterator[Bench]:
    room, runtime, lifecycle = WaitingRoom(capacity), Counting(), Lifecycle()
    metrics = Metrics(queue_depth=lambda: len(room))
    pool = WorkerPool(
        room, lambda: runtime, workers=1, input_size_px=8, batching=batching, on_batch=metrics.observe_batch
    )
    app = build_app(
        predictions=Predictions(
            room=room,
            bodies=BodyReader(Limits(most_body_bytes=MOST_BODY_BYTES) if limits is None else limits),
            metrics=metrics,
            classes=tuple(COLOURS),
            test_image=picture((1, 2, 3)),
            deadline_s=deadline_s,
        ),
        metrics=metrics,
        lifecycle=lifecycle,
        information=lambda: {"model": "tiny"},
        is_alive=lambda: pool.is_alive,
    )
    room.open()
    try:
        yield Bench(app, room, runtime, metrics, lifecycle, pool)
    finally:
        pool.stop()


def start_workers(parts: Bench) -> None:
    """Start the workers; what they computed to warm up does not count."""
    parts.pool.start(picture((1, 2, 3)))


def with_client(parts: Bench, talk: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]) -> None:
    async def conversation() -> None:
        transport = httpx.ASGITransport(parts.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=SETTLED_S) as client:
            await talk(client)

    asyncio.run(conversation())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SETTLED_S):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.001)


def test_beyond_the_capacity_a_request_is_shed_at_once_and_the_others_are_answered() -> None:
    with bench(capacity=2) as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            waiting = [asyncio.create_task(client.get("/test")) for _ in range(2)]
            await until(lambda: len(parts.room) == 2)
            for shed in (await client.get("/test"), await client.post("/predict", content=picture((9, 9, 9)))):
                assert shed.status_code == 503
                assert shed.headers["retry-after"] == "1"
                assert shed.json() == {"error": "too many requests wait already"}
            await asyncio.to_thread(start_workers, parts)
            assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]

        with_client(parts, talk)
        assert parts.outcomes() == {("test", "ok"): 2, ("test", "shed"): 1, ("predict", "shed"): 1}


def test_a_request_past_its_deadline_is_not_computed() -> None:
    with bench(deadline_s=0.0) as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            await asyncio.to_thread(start_workers, parts)
            before = parts.runtime.computed
            late = await client.get("/test")
            assert (late.status_code, late.headers["retry-after"]) == (503, "1")
            assert parts.runtime.computed == before

        with_client(parts, talk)
        assert parts.outcomes() == {("test", "expired"): 1}


def test_a_request_whose_client_has_gone_is_not_computed() -> None:
    with bench() as parts:

        async def talk() -> None:
            leave = asyncio.Event()
            messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

            async def receive() -> Message:
                for message in messages:
                    return message
                await leave.wait()
                return {"type": "http.disconnect"}

            async def send(_: Message) -> None:
                return

            scope: dict[str, Any] = {
                "type": "http",
                "method": "GET",
                "path": "/test",
                "headers": [],
                "query_string": b"",
            }
            request = asyncio.ensure_future(parts.app(scope, receive, send))
            await until(lambda: len(parts.room) == 1)
            leave.set()
            await request
            assert len(parts.room) == 0
            await asyncio.to_thread(start_workers, parts)

        asyncio.run(talk())
        warm_up = parts.runtime.computed
        parts.pool.stop()
        assert parts.runtime.computed == warm_up
        assert parts.outcomes() == {("test", "client-gone"): 1}


@pytest.mark.parametrize(
    "answer",
    [
        lambda: np.full((1, len(COLOURS)), np.nan, np.float32),
        lambda: np.empty((0, 1), np.float32),
    ],
)
def test_a_model_that_fails_is_an_error_and_the_worker_lives(
    answer: Callable[[], npt.NDArray[np.float32]], caplog: pytest.LogCaptureFixture
) -> None:
    with bench() as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            await asyncio.to_thread(start_workers, parts)
            right, parts.runtime.answer = parts.runtime.answer, answer
            assert (await client.get("/test")).status_code == 500
            parts.runtime.answer = right
            assert (await client.get("/test")).status_code == 200
            assert (await client.get("/livez")).status_code == 200

        with_client(parts, talk)
        assert parts.outcomes() == {("test", "error"): 1, ("test", "ok"): 1}
        assert "a prediction failed" in caplog.text


def test_a_malformed_image_in_a_batch_is_refused_alone() -> None:
    with bench(capacity=3, batching=Batching(size=3, wait_s=3600.0)) as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            bodies = [picture((9, 9, 9)), b"no image", picture((9, 9, 9))]
            waiting = [asyncio.create_task(client.post("/predict", content=body)) for body in bodies]
            await until(lambda: len(parts.room) == 3)
            await asyncio.to_thread(start_workers, parts)
            assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 400, 200]

        with_client(parts, talk)
        assert parts.outcomes() == {("predict", "ok"): 2, ("predict", "refused"): 1}
        # The one batch was of the two that could be decoded.
        assert (parts.metric("foodbench_batch_images_count"), parts.metric("foodbench_batch_images_sum")) == (1, 2)


def test_images_computed_alone_are_no_batches() -> None:
    with bench() as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            await asyncio.to_thread(start_workers, parts)
            assert (await client.get("/test")).status_code == 200

        with_client(parts, talk)
        assert parts.metric("foodbench_batch_images_count") == 0


def test_equal_probabilities_are_given_in_the_order_of_the_classes() -> None:
    with bench() as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            await asyncio.to_thread(start_workers, parts)
            parts.runtime.answer = lambda: np.full((1, len(COLOURS)), 1 / len(COLOURS), np.float32)
            answer = (await client.get("/test")).json()
            assert [candidate["class_id"] for candidate in answer["top_five"]] == [0, 1, 2, 3, 4]
            assert answer["class"] == next(iter(COLOURS))

        with_client(parts, talk)


@pytest.mark.parametrize("chunks", [[b"x" * (MOST_BODY_BYTES + 1)], [b"x" * MOST_BODY_BYTES, b"", b"x"]])
def test_a_body_beyond_the_limit_is_refused_declared_or_not(chunks: list[bytes]) -> None:
    with bench() as parts:

        async def undeclared() -> Any:
            for chunk in chunks:
                yield chunk

        async def talk(client: httpx.AsyncClient) -> None:
            for content in (b"".join(chunks), undeclared()):
                assert (await client.post("/predict", content=content)).status_code == 413
            assert len(parts.room) == 0

        with_client(parts, talk)


def test_uploads_together_beyond_the_buffers_are_shed_and_their_room_is_given_back() -> None:
    with bench(limits=Limits(most_body_bytes=MOST_BODY_BYTES, most_buffered_bytes=MOST_BODY_BYTES)) as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            body = picture((9, 9, 9)) + b" " * (MOST_BODY_BYTES // 2)
            first = asyncio.create_task(client.post("/predict", content=body))
            await until(lambda: len(parts.room) == 1)
            second = await client.post("/predict", content=body)
            assert (second.status_code, second.headers["retry-after"]) == (503, "1")
            await asyncio.to_thread(start_workers, parts)
            assert (await first).status_code == 200
            assert (await client.post("/predict", content=body)).status_code == 200

        with_client(parts, talk)


def test_readiness_follows_the_replicas_life_and_connections_end_while_it_drains() -> None:
    with bench() as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            async def readiness() -> tuple[int, str, str | None]:
                answer = await client.get("/readyz")
                return answer.status_code, answer.json()["state"], answer.headers.get("connection")

            assert await readiness() == (503, "loading", None)
            parts.lifecycle.loaded()
            assert await readiness() == (200, "ready", None)
            parts.lifecycle.drain()
            parts.lifecycle.loaded()
            assert await readiness() == (503, "draining", "close")

        with_client(parts, talk)


def test_without_workers_yet_a_prediction_is_asked_to_come_back() -> None:
    with bench() as parts:
        parts.room.close()

        async def talk(client: httpx.AsyncClient) -> None:
            early = await client.get("/test")
            assert (early.status_code, early.headers["retry-after"]) == (503, "1")

        with_client(parts, talk)


def test_every_route_is_in_the_document_and_the_other_way_round() -> None:
    with bench() as parts:
        methods = {"get", "post", "put", "delete", "patch"}
        documented = {(path, method) for path, item in openapi.document()["paths"].items() for method in item}

        async def talk(client: httpx.AsyncClient) -> None:
            await asyncio.to_thread(start_workers, parts)
            for path in {path for path, _ in documented} | {"/docs", "/predict/", "/favicon.ico"}:
                for method in methods:
                    status = (await client.request(method, path)).status_code
                    assert ((path, method) in documented) == (status not in {404, 405}), (path, method, status)

        with_client(parts, talk)


def test_errors_are_json_too() -> None:
    with bench() as parts:

        async def talk(client: httpx.AsyncClient) -> None:
            absent, wrong_method = await client.get("/nothing"), await client.get("/predict")
            assert (absent.status_code, absent.json()) == (404, {"error": "Not Found"})
            assert (wrong_method.status_code, wrong_method.json()) == (405, {"error": "Method Not Allowed"})
            assert wrong_method.headers["allow"] == "POST"

        with_client(parts, talk)


def test_the_document_names_every_schema_it_uses() -> None:
    text = json.dumps(openapi.document())
    for name in openapi.document()["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text


class References(HTMLParser):
    """Collects what a page would load or leave for, and which controls have a name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None]] = []
        self.labels: set[str | None] = set()
        self.inputs: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.found += [(tag, attributes[name]) for name in ("src", "href", "action", "srcset") if name in attributes]
        if tag == "label":
            self.labels.add(attributes.get("for"))
        if tag == "input":
            self.inputs.add(attributes.get("id"))


def test_the_page_loads_nothing_and_its_inputs_are_labelled() -> None:
    loaded = page.load()
    references = References()
    references.feed(loaded.html.decode())
    assert references.found == []
    assert references.inputs
    assert references.inputs <= references.labels
    assert b"http:" not in loaded.html
    assert b"https:" not in loaded.html
    assert b"url(" not in loaded.html


def test_the_pages_policy_admits_its_own_script_only() -> None:
    policy = page.load().headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.count("'sha256-") == 2


def test_the_page_is_a_file_beside_its_module() -> None:
    assert page.__file__ is not None
    assert Path(page.__file__).with_name("page.html").read_bytes() == page.load().html
