"""Decoding and inference alone, without HTTP: what a service on the same cores cannot pass.

``python -m tests.bench.bare BUNDLE WORKERS DURATION_S`` prints predictions per second, and of single ones
while nothing else runs the median duration and p99, and the CPU time of each beside
others, in milliseconds.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foodbench import imaging
from foodbench.analysis.statistics import percentile
from foodbench.process import run
from foodbench.serving.bundle import read_manifest
from foodbench.serving.runtimes import Runtime, create_runtime

__all__ = ["Bare", "measure_bare"]

WARM_UP = 5
ALONE = 700
"""For p99 at 99 % confidence (662)."""


@dataclass(frozen=True)
class Bare:
    """What the bare loop reached."""

    rate: float
    """Predictions per second of all workers."""
    latency_ms: float
    """Median of one, by one worker with nothing beside it."""
    p99_ms: float
    """Of the same: beyond the median it is the machine's own unrest."""
    cpu_ms: float
    """CPU time of one while all workers work: comparable even where others take part of the machine."""


def measure_bare(bundle: Path, *, workers: int, duration_s: float) -> Bare:
    """Measure a bundle in a process of its own."""
    arguments = [sys.executable, "-m", f"{__package__}.bare", str(bundle), str(workers), str(duration_s)]
    return Bare(*map(float, run(arguments, timeout_s=duration_s + 300).output.split()[-4:]))


def _loop(directory: Path, workers: int, duration_s: float) -> Bare:
    manifest = read_manifest(directory)
    image = (directory / manifest.test_image_file).read_bytes()
    first = create_runtime(manifest, directory, 1, workers)
    runtimes = [first, *(first.twin() for _ in range(workers - 1))]

    def once(runtime: Runtime) -> float:
        began = time.perf_counter()
        runtime.predict(imaging.decode(image, manifest.input_size_px)[np.newaxis])
        return time.perf_counter() - began

    for runtime in runtimes:
        for _ in range(WARM_UP):
            once(runtime)
    alone_s = [once(first) for _ in range(ALONE)]
    counts = [0] * workers
    began, cpu_began_s = time.monotonic(), time.process_time()

    def work(number: int) -> None:
        while time.monotonic() - began < duration_s:
            once(runtimes[number])
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = sum(counts) / (time.monotonic() - began)
    cpu_ms = 1000 * (time.process_time() - cpu_began_s) / sum(counts)
    return Bare(rate, 1000 * statistics.median(alone_s), 1000 * percentile(alone_s, 99), cpu_ms)


if __name__ == "__main__":
    found = _loop(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    sys.stdout.write(f"{found.rate} {found.latency_ms} {found.p99_ms} {found.cpu_ms}\n")
