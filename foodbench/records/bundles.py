"""A model packaged for one runtime."""

from __future__ import annotations

from pydantic import Field

from foodbench.records.base import Record
from foodbench.records.experiments import Runtime
from foodbench.records.provenance import Provenance

__all__ = ["Fidelity", "ServingBundle"]


class Fidelity(Record):
    """How far a packaged model's answers are from the Keras model's, measured on one split."""

    images: int
    agreement: float = Field(ge=0, le=1)
    """Share of images given the same class by both."""
    largest_probability_difference: float
    accuracy: float = Field(ge=0, le=1)
    """Of the packaged model on the same images."""
    accuracy_low: float = Field(ge=0, le=1)
    accuracy_high: float = Field(ge=0, le=1)


class ServingBundle(Record):
    """A folder that the service can serve, and what is known of it."""

    digest: str
    """Of the model's digest, the runtime and what went into the conversion."""
    model_digest: str
    model_name: str
    runtime: Runtime
    precision: str | None = None
    """That this machine's CPU really computed in, as read back from the runtime; None in older records."""
    weights_file: str
    weights_sha256: str
    weights_bytes: int
    disk_bytes: int
    """The whole folder."""
    fidelity: Fidelity
    latency_ms: float
    """Median of one image's inference in one thread, without decoding."""
    provenance: Provenance
