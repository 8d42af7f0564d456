"""The routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foodbench.serving import openapi, page
from foodbench.serving.answers import refusal
from foodbench.serving.draining import PROBE_PATHS
from foodbench.serving.lifecycle import Lifecycle
from foodbench.serving.metrics import Metrics
from foodbench.serving.predictions import Predictions

__all__ = ["build_app"]

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


def build_app(
    *,
    predictions: Predictions,
    metrics: Metrics,
    lifecycle: Lifecycle,
    information: Callable[[], dict[str, Any]],
    is_alive: Callable[[], bool],
) -> ASGIApp:
    """Return the service.

    Args:
        predictions: Answers /predict and /test.
        metrics: Shown by /metrics.
        lifecycle: Decides about /readyz, and closes connections while draining.
        information: Returns what /info answers.
        is_alive: Whether this replica is worth keeping.
    """
    served_page = page.load()
    document = openapi.document()

    async def livez(_: Request) -> Response:
        alive = is_alive()
        return JSONResponse({"alive": alive}, 200 if alive else 503)

    async def readyz(_: Request) -> Response:
        state = lifecycle.state
        return JSONResponse({"state": state}, 200 if state == "ready" else 503)

    async def show_metrics(_: Request) -> Response:
        return Response(metrics.exposition(), headers={"content-type": TEXT_FORMAT})

    async def info(_: Request) -> Response:
        return JSONResponse(information())

    async def show_openapi(_: Request) -> Response:
        return JSONResponse(document)

    async def show_page(_: Request) -> Response:
        return Response(served_page.html, media_type="text/html", headers=served_page.headers)

    routes = [
        Route("/test", predictions.test, methods=["GET", "POST"]),
        Route("/predict", predictions.predict, methods=["POST"]),
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", show_metrics),
        Route("/info", info),
        Route("/openapi.json", show_openapi),
        Route("/", show_page),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    app.router.redirect_slashes = False
    return _closing_while_draining(_predicting(app, predictions), lifecycle)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return refusal(error.status_code, error.detail, dict(error.headers or {}))


def _predicting(app: ASGIApp, predictions: Predictions) -> ASGIApp:
    """Return ``app`` behind the requests that come by the hundred: they go past its routing, a third of what they cost."""
    handlers = {
        ("GET", "/test"): predictions.test,
        ("POST", "/test"): predictions.test,
        ("POST", "/predict"): predictions.predict,
    }

    async def predicting(scope: Scope, receive: Receive, send: Send) -> None:
        handler = handlers.get((scope["method"], scope["path"]))
        if handler is None:
            await app(scope, receive, send)
            return
        is_shed = predictions.sheds(scope["method"], scope["path"])
        response = predictions.shed if is_shed else await handler(Request(scope, receive))
        await response(scope, receive, send)

    return predicting


def _closing_while_draining(app: ASGIApp, lifecycle: Lifecycle) -> ASGIApp:
    """Return ``app``, counting requests, and ending connections after their answer once the replica drains.

    A client that holds a connection open would otherwise send its next request into its end.
    """

    async def closing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in PROBE_PATHS:
            lifecycle.requests += 1

        async def send_and_close(message: Message) -> None:
            if lifecycle.state == "draining" and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await send(message)

        await app(scope, receive, send_and_close)

    return closing
