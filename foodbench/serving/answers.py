"""The JSON that clients get."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

import numpy as np
from starlette.responses import JSONResponse, Response

from foodbench.serving.admission import Answer

__all__ = ["LIKELIEST", "last_on_connection", "prediction", "refusal"]

LIKELIEST = 5
"""Classes named in an answer."""

# Made once: Starlette's JSONResponse makes one for each answer, at the cost of encoding it.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def prediction(answer: Answer, classes: Sequence[str]) -> Response:
    """Return the response to a request for a prediction.

    Args:
        answer: What a worker computed.
        classes: Names, by class id.
    """
    # A stable sort: of equal probabilities the lower class id comes first, as with argmax.
    order = np.argsort(-answer.probabilities, kind="stable")[:LIKELIEST]
    top = [
        {"class": classes[index], "class_id": index, "probability": round(float(answer.probabilities[index]), 6)}
        for index in order.tolist()
    ]
    content = {
        **top[0],
        "top_five": top,
        "timings_ms": {
            "queue": _ms(answer.queue_s),
            "decode": _ms(answer.decode_s),
            "inference": _ms(answer.inference_s),
        },
    }
    return Response(_ENCODER.encode(content).encode(), media_type="application/json")


def refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    """Return a response that says in one line why there is no other."""
    return JSONResponse({"error": reason}, status, headers)


def last_on_connection(response: Response) -> bytes:
    """Return a response as it is sent by HTTP/1.1 over a connection that ends with it."""
    status = HTTPStatus(response.status_code)
    headers = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
    return b"HTTP/1.1 %d %b\r\n%bconnection: close\r\n\r\n%b" % (
        status,
        status.phrase.encode(),
        headers,
        bytes(response.body),
    )


def _ms(duration_s: float) -> float:
    return round(duration_s * 1e3, 3)
