"""The OpenAPI document: what every route takes and answers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from foodbench.serving.answers import LIKELIEST
from foodbench.serving.uploads import FIELD

__all__ = ["PICTURES", "document"]

Schema = dict[str, Any]

PICTURES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp")


def document() -> Schema:
    """Return the document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "foodbench service",
            "version": _version(),
            "description": "Names the food on a photograph.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/predict": {"post": _predict()},
            "/test": {
                "get": _test("testByGet"),
                "post": _test("testByPost")
                | {"requestBody": {"description": "Read and ignored.", "content": {"*/*": {"schema": {}}}}},
            },
            "/livez": {
                "get": _probe("livez", "Whether this replica is worth keeping", _object(alive={"type": "boolean"}))
            },
            "/readyz": {
                "get": _probe(
                    "readyz",
                    "Whether it should be sent requests: the model is loaded and warmed up, and the end has not begun",
                    _object(state={"type": "string", "enum": ["loading", "ready", "draining"]}),
                )
            },
            "/metrics": {
                "get": _get("metrics", "Metrics in Prometheus' text format", "text/plain", {"type": "string"})
            },
            "/info": {"get": _get("info", "What this replica is", "application/json", _reference("Info"))},
            "/openapi.json": {"get": _get("openapi", "This document", "application/json", {"type": "object"})},
            "/": {"get": _get("page", "A page to try it by hand", "text/html", {"type": "string"})},
        },
        "components": {"schemas": _schemas()},
    }


def _predict() -> Schema:
    picture = {"type": "string", "format": "binary", "minLength": 1}
    form = {
        "schema": _object(**{FIELD: picture}) | {"additionalProperties": True},
        "encoding": {FIELD: {"contentType": ", ".join(PICTURES)}},
    }
    return {
        "operationId": "predict",
        "summary": "Predict the class of a photograph: JPEG, PNG, WebP, GIF or BMP",
        "description": "Anything that is not multipart/form-data is taken for the photograph itself.",
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": form} | {kind: {"schema": picture} for kind in PICTURES},
        },
        "responses": {
            "200": _answer("The prediction", "application/json", _reference("Prediction")),
            "400": _error("No photograph that can be decoded"),
            **_body_refusals(),
            **_prediction_failures(),
        },
    }


def _test(operation: str) -> Schema:
    return {
        "operationId": operation,
        "summary": "Predict the bundled test image, decoding included",
        "responses": {
            "200": _answer("The prediction", "application/json", _reference("Prediction")),
            **(_body_refusals() if operation == "testByPost" else {}),
            **_prediction_failures(),
        },
    }


def _body_refusals() -> Schema:
    return {
        "408": _error("The body did not arrive in time"),
        "413": _error("The body, or the photograph in it, is too large"),
    }


def _prediction_failures() -> Schema:
    retry = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}, "required": True}}
    return {
        "500": _error("The model failed"),
        "503": _error("Too many requests wait, or this one waited too long: come back later") | {"headers": retry},
    }


def _probe(operation: str, summary: str, schema: Schema) -> Schema:
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {
            "200": _answer("Yes", "application/json", schema),
            "503": _answer("No", "application/json", schema),
        },
    }


def _get(operation: str, summary: str, media_type: str, schema: Schema) -> Schema:
    return {"operationId": operation, "summary": summary, "responses": {"200": _answer(summary, media_type, schema)}}


def _answer(description: str, media_type: str, schema: Schema) -> Schema:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _error(description: str) -> Schema:
    return _answer(description, "application/json", _reference("Error"))


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _schemas() -> Schema:
    text, whole, real = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "number", "minimum": 0}
    texts = {"type": "array", "items": text}
    candidate: dict[str, Schema] = {
        "class": text,
        "class_id": whole,
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
    }
    return {
        "Prediction": _object(
            **candidate,
            top_five={
                "type": "array",
                "items": _object(**candidate),
                "minItems": 2,
                "maxItems": LIKELIEST,
                "description": "Likeliest first",
            },
            timings_ms=_object(queue=real, decode=real, inference=real),
        ),
        "Error": _object(error=text),
        "Info": _object(
            model=text,
            model_digest=text,
            weights_sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
            marks=texts,
            classes=texts,
            input_size_px=whole,
            scaling=text,
            runtime=text,
            precision={"type": ["string", "null"], "description": "Read back from the runtime; null while it loads"},
            load_duration_s={"type": ["number", "null"]},
            cpu_cores={"type": "number", "description": "The smaller of the next two"},
            cpu_affinity_cores=whole,
            cpu_quota_cores={"type": ["number", "null"]},
            workers=whole,
            threads_per_worker=whole,
            threads=whole,
            queue_capacity={**whole, "description": "0 for no bound"},
            deadline_s=real,
            batch_size={"type": "integer", "minimum": 1, "description": "Images computed at once, at most"},
            batch_wait_s={**real, "description": "How long the first image of a batch waits for the others"},
            versions={"type": "object", "additionalProperties": text},
        ),
    }


def _version() -> str:
    try:
        return version("foodbench")
    except PackageNotFoundError:
        return "unknown"
