"""What the generator tells the process that started it: one line of JSON each, on its standard output."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from foodbench.records.base import Record

__all__ = ["Began", "Ended", "Message", "Running", "WarmedUp", "parse_message"]


class WarmedUp(Record):
    """So many of the warm-up requests are done."""

    kind: Literal["warmed-up"] = "warmed-up"
    requests: int


class Began(Record):
    """The measurement has begun."""

    kind: Literal["began"] = "began"
    started_at: float
    """Seconds since the epoch."""


class Running(Record):
    """The measurement goes on. Everything counted here is already on disk."""

    kind: Literal["running"] = "running"
    elapsed_s: float
    cpu_s: float
    """CPU time the generator itself has used since the measurement began."""
    samples: int


class Ended(Record):
    """The measurement has ended: in time, or stopped before it."""

    kind: Literal["ended"] = "ended"
    elapsed_s: float
    cpu_s: float
    samples: int
    complete: bool
    stopped_after_failures: int | None = None
    """How many had failed when that ended the load; None where it did not."""


Message = WarmedUp | Began | Running | Ended

ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def parse_message(line: bytes) -> Message:
    """Return the message in ``line``.

    Raises:
        ValueError: It is none.
    """
    return ADAPTER.validate_json(line)
