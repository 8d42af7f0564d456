"""From a job to its answer: one image alone, or several at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foodbench import imaging
from foodbench.serving.admission import Answer, Job
from foodbench.serving.runtimes import Runtime

__all__ = ["InferenceFailed", "compute", "compute_together"]


class InferenceFailed(Exception):
    """The model could not compute an answer to a good image."""


def compute(runtime: Runtime, job: Job, input_size_px: int) -> Answer:
    """Return the answer to one image.

    Args:
        runtime: What computes it.
        job: Its image.
        input_size_px: Side of the square the model takes.

    Raises:
        ImageError: The image cannot be decoded.
        InferenceFailed: The model failed.
    """
    taken = time.monotonic()
    pixels = imaging.decode(job.image, input_size_px)
    decoded = time.monotonic()
    try:
        probabilities = runtime.predict(pixels[np.newaxis])[0]
    except Exception as error:
        raise InferenceFailed(f"{type(error).__name__}: {error}") from error
    if not np.isfinite(probabilities).all():
        raise InferenceFailed("the model answered something that is no number")
    return Answer(
        probabilities,
        queue_s=taken - job.submitted_s,
        decode_s=decoded - taken,
        inference_s=time.monotonic() - decoded,
    )


def compute_together(runtime: Runtime, jobs: Sequence[Job], input_size_px: int) -> int:
    """Answer several images that the model computes at once. Nothing is raised: each job succeeds or fails.

    An image that cannot be decoded fails alone; one that nobody waits for any more is left out.

    Args:
        runtime: What computes them.
        jobs: Their images.
        input_size_px: Side of the square the model takes.

    Returns:
        How many images were given to the model.
    """
    decoded = [one for job in jobs if (one := _decoded(job, input_size_px)) is not None]
    if not decoded:
        return 0
    began_s = time.monotonic()
    try:
        answered = _predicted(runtime, decoded)
    except Exception as error:  # noqa: BLE001 - a worker outlives whatever one batch does to it
        for one in decoded:
            one.job.fail(InferenceFailed(f"{type(error).__name__}: {error}"))
        return len(decoded)
    inference_s = time.monotonic() - began_s
    for one, probabilities in zip(decoded, answered, strict=True):
        one.settle(probabilities, began_s=began_s, inference_s=inference_s)
    return len(decoded)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A job with its pixels."""

    job: Job
    pixels: npt.NDArray[np.uint8]
    decode_s: float

    def settle(self, probabilities: npt.NDArray[np.float32], *, began_s: float, inference_s: float) -> None:
        if not np.isfinite(probabilities).all():
            self.job.fail(InferenceFailed("the model answered something that is no number"))
            return
        queue_s = began_s - self.job.submitted_s - self.decode_s
        self.job.succeed(Answer(probabilities, queue_s=queue_s, decode_s=self.decode_s, inference_s=inference_s))


def _decoded(job: Job, input_size_px: int) -> _Decoded | None:
    """Return a job with its pixels; None where it was abandoned or has failed."""
    if job.is_abandoned:
        return None
    began_s = time.monotonic()
    try:
        pixels = imaging.decode(job.image, input_size_px)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this image's alone
        job.fail(error)
        return None
    return _Decoded(job, pixels, time.monotonic() - began_s)


def _predicted(runtime: Runtime, decoded: Sequence[_Decoded]) -> npt.NDArray[np.float32]:
    answered = runtime.predict(np.stack([one.pixels for one in decoded]))
    if len(answered) != len(decoded):
        raise ValueError(f"{len(answered)} answers to {len(decoded)} images")
    return answered
