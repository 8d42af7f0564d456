"""How long a bundle takes for one image, in a process that holds nothing else.

Run as ``python -m foodbench.packaging.latency DIRECTORY``: prints the median in milliseconds.
TensorFlow fixes its threads when it starts, and its pool stays: so never in the process that converts.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from foodbench import imaging
from foodbench.errors import RunFailed
from foodbench.process import run
from foodbench.serving.bundle import read_manifest
from foodbench.serving.runtimes import create_runtime

__all__ = ["measure_latency_ms"]

WARM_UP_PREDICTIONS = 5
LEAST_PREDICTIONS = 10
MOST_PREDICTIONS = 200
LONG_ENOUGH_S = 3.0
DEADLINE_S = 600.0


def measure_latency_ms(directory: Path) -> float:
    """Return the median duration of one prediction in one thread, without decoding, in milliseconds.

    Args:
        directory: A bundle, its manifest written.

    Raises:
        RunFailed: The bundle cannot be loaded, or answers with no number.
    """
    done = run([sys.executable, "-m", __name__, str(directory)], timeout_s=DEADLINE_S)
    try:
        return float(done.output.split()[-1])
    except (IndexError, ValueError):
        raise RunFailed(f"measuring the latency of {directory.name} printed no number: {done.output!r}") from None


def _median_ms(directory: Path) -> float:
    manifest = read_manifest(directory)
    runtime = create_runtime(manifest, directory, 1)
    image = imaging.decode((directory / manifest.test_image_file).read_bytes(), manifest.input_size_px)[None]
    for _ in range(WARM_UP_PREDICTIONS):
        runtime.predict(image)
    durations_s: list[float] = []
    while len(durations_s) < LEAST_PREDICTIONS or (
        sum(durations_s) < LONG_ENOUGH_S and len(durations_s) < MOST_PREDICTIONS
    ):
        began_s = time.perf_counter()
        runtime.predict(image)
        durations_s.append(time.perf_counter() - began_s)
    return 1000 * statistics.median(durations_s)


if __name__ == "__main__":
    sys.stdout.write(f"{_median_ms(Path(sys.argv[1]))}\n")
