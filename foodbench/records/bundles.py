"""A model packaged for one runtime."""

from __future__ import annotations

from pydantic import Field

from foodbench.records.base import Record
from foodbench.records.experiments import Runtime
from foodbench.records.provenance import Provenance

__all__ = ["Fidelity", "RuntimeCost", "ServingBundle"]


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
    gained: int | None = Field(default=None, ge=0)
    """Images that only the packaged model has right; None in older records, as in the next."""
    lost: int | None = Field(default=None, ge=0)
    """Images that only the Keras model has right."""


class RuntimeCost(Record):
    """What a bundle takes to load and to answer, in a fresh process that does nothing else."""

    import_ms: float
    """To import the runtime's library."""
    load_ms: float
    """From the weights on disk (in the page cache) to the first answer, the library being imported."""
    memory_imported_bytes: int
    """Resident, once the runtime's library and what decodes images are imported."""
    memory_loaded_bytes: int
    """Resident, once the model is loaded and warmed up: all that a process of this runtime takes."""
    threads: int
    """Threads of ``latency_threads_ms``: the CPU cores that could be used."""
    latency_threads_ms: float
    """Median of one image's inference in ``threads`` threads, without decoding."""


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
    cost: RuntimeCost | None = None
    """None in older records."""
    provenance: Provenance
