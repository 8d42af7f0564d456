"""Decoding and inference alone, without HTTP: what a service on the same cores cannot pass.

``python -m tests.bench.bare BUNDLE WORKERS THREADS DURATION_S`` works without a pause and prints predictions per second
and the CPU time of each in milliseconds. With a further argument, predictions per second, it begins them evenly spaced
instead, and prints the median and p99 of their durations in milliseconds.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foodbench import imaging
from foodbench.analysis.statistics import percentile
from foodbench.process import run
from foodbench.serving.allocation import keep_freed_memory
from foodbench.serving.bundle import read_manifest
from foodbench.serving.runtimes import create_runtime

from .cores import confined_to

__all__ = ["BareLatency", "BareRate", "Layout", "bare_latency", "bare_rate"]

WARM_UP = 5

Predict = Callable[[], object]


@dataclass(frozen=True)
class BareRate:
    """What the bare loop reaches without a pause."""

    rate: float
    """Predictions per second of all workers."""
    cpu_ms: float
    """CPU time of one: comparable even where others take part of the machine."""


@dataclass(frozen=True)
class BareLatency:
    """How long a prediction takes where they begin evenly spaced, counted from when it was due."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Layout:
    """How a bundle is computed."""

    workers: int
    threads: int = 1
    """Of each worker."""


def bare_rate(bundle: Path, layout: Layout, *, cores: Sequence[int], duration_s: float) -> BareRate:
    """Measure a bundle in a process of its own."""
    return BareRate(*_figures(bundle, layout, cores, duration_s))


def bare_latency(bundle: Path, layout: Layout, *, cores: Sequence[int], duration_s: float, rate: float) -> BareLatency:
    """Measure a bundle in a process of its own, its workers taking turns."""
    return BareLatency(*_figures(bundle, layout, cores, duration_s, rate))


def _figures(bundle: Path, layout: Layout, cores: Sequence[int], *duration_and_rate: float) -> Iterable[float]:
    arguments = [
        sys.executable,
        "-m",
        f"{__package__}.bare",
        bundle,
        layout.workers,
        layout.threads,
        *duration_and_rate,
    ]
    with confined_to(cores):
        output = run([str(one) for one in arguments], timeout_s=duration_and_rate[0] + 300).output
    return map(float, output.split()[-2:])


def _predictors(directory: Path, layout: Layout) -> list[Predict]:
    """Return what predicts the test image, for each worker, warmed up."""
    manifest = read_manifest(directory)
    image = (directory / manifest.test_image_file).read_bytes()
    first = create_runtime(manifest, directory, layout.threads, layout.workers)
    runtimes = [first, *(first.twin() for _ in range(layout.workers - 1))]
    predictors: list[Predict] = [
        lambda runtime=runtime: runtime.predict(imaging.decode(image, manifest.input_size_px)[np.newaxis])  # type: ignore[misc]
        for runtime in runtimes
    ]
    for predict in predictors * WARM_UP:
        predict()
    return predictors


def _side_by_side(tasks: Sequence[Predict]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _saturated(predictors: Sequence[Predict], duration_s: float) -> BareRate:
    counts = [0] * len(predictors)
    began, cpu_began_s = time.monotonic(), time.process_time()

    def work(number: int) -> None:
        while time.monotonic() - began < duration_s:
            predictors[number]()
            counts[number] += 1

    _side_by_side([lambda number=number: work(number) for number in range(len(predictors))])  # type: ignore[misc]
    rate = sum(counts) / (time.monotonic() - began)
    return BareRate(rate, 1000 * (time.process_time() - cpu_began_s) / sum(counts))


def _spaced(predictors: Sequence[Predict], duration_s: float, rate: float) -> BareLatency:
    latencies_ms: list[float] = []
    began = time.monotonic()

    def work(first: int) -> None:
        for number in range(first, int(rate * duration_s), len(predictors)):
            due = began + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            predictors[first]()
            latencies_ms.append(1000 * (time.monotonic() - due))

    _side_by_side([lambda first=first: work(first) for first in range(len(predictors))])  # type: ignore[misc]
    return BareLatency(percentile(latencies_ms, 50), percentile(latencies_ms, 99))


def _main(bundle: str, workers: str, threads: str, duration_s: str, *rate: str) -> None:
    keep_freed_memory()
    predictors = _predictors(Path(bundle), Layout(int(workers), int(threads)))
    if rate:
        latency = _spaced(predictors, float(duration_s), float(rate[0]))
        sys.stdout.write(f"{latency.p50_ms} {latency.p99_ms}\n")
    else:
        saturated = _saturated(predictors, float(duration_s))
        sys.stdout.write(f"{saturated.rate} {saturated.cpu_ms}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
