"""What every record shares: frozen, strict, and known by the digest of its contents."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["DIGEST_LENGTH", "Record", "digest_of"]

DIGEST_LENGTH = 16
"""Hexadecimal digits kept of a SHA-256: 64 bits, no collision among any number of runs a person makes."""


class Record(BaseModel):
    """A frozen value that flows from one stage to the next. Units are in the field names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def digest_of(*parts: Record | str | int) -> str:
    """Return a short digest of resolved inputs, equal whenever the inputs are equal.

    Records are reduced to JSON with sorted keys, so the order of fields does not matter.
    """
    canonical: list[Any] = [part.model_dump(mode="json") if isinstance(part, Record) else part for part in parts]
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
