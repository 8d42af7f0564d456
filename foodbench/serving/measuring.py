"""Loads a bundle as a replica does, and measures what that takes, in a process that holds nothing else.

Run as ``python -m foodbench.serving.measuring BUNDLE THREADS [PIXELS ANSWERS]``. Prints one JSON object: what
was measured, or ``unavailable`` or ``refused`` with the reason. PIXELS is an array file of uint8 images, (n, size,
size, 3); their class probabilities, float32 (n, classes), are written to ANSWERS.

Never in the process that converts: TensorFlow fixes its threads when it starts, and what it took of memory stays.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil

from foodbench import imaging
from foodbench.serving.bundle import BundleError, BundleManifest, read_manifest
from foodbench.serving.runtimes import Runtime, RuntimeUnavailable, create_runtime, import_library

WARM_UP_PREDICTIONS = 5
LEAST_PREDICTIONS = 10
MOST_PREDICTIONS = 200
LONG_ENOUGH_S = 3.0
IMAGES_AT_ONCE = 32
PARENT_LOOKED_FOR_EVERY_S = 1.0


def measure(directory: Path, threads: int, pixels: Path | None, answers: Path | None) -> dict[str, object]:
    """Load the bundle in ``directory`` for predictions of ``threads`` threads, and measure it.

    Args:
        directory: A bundle.
        threads: That one prediction may use.
        pixels: Images to answer besides; None for none.
        answers: Where their probabilities go.

    Raises:
        RuntimeUnavailable: The runtime's package is not installed.
        BundleError: The bundle cannot be served.
    """
    manifest = read_manifest(directory)
    image = imaging.decode((directory / manifest.test_image_file).read_bytes(), manifest.input_size_px)[None]
    began_s = time.perf_counter()
    import_library(manifest.runtime)
    import_s = time.perf_counter() - began_s
    memory_imported_bytes = psutil.Process().memory_info().rss
    began_s = time.perf_counter()
    # Some runtimes leave part of the work to the first prediction: loaded is what has answered.
    runtime = create_runtime(manifest, directory, threads)
    runtime.predict(image)
    load_s = time.perf_counter() - began_s
    for _ in range(WARM_UP_PREDICTIONS):
        runtime.predict(image)
    measured: dict[str, object] = {
        "precision": runtime.description.precision,
        "import_ms": 1000 * import_s,
        "load_ms": 1000 * load_s,
        "memory_imported_bytes": memory_imported_bytes,
        "memory_loaded_bytes": psutil.Process().memory_info().rss,
        "latency_ms": _median_ms(runtime, image),
    }
    if pixels is not None and answers is not None:
        np.save(answers, _answers(runtime, manifest, pixels))
    return measured


def _median_ms(runtime: Runtime, image: npt.NDArray[np.uint8]) -> float:
    durations_s: list[float] = []
    while len(durations_s) < LEAST_PREDICTIONS or (
        sum(durations_s) < LONG_ENOUGH_S and len(durations_s) < MOST_PREDICTIONS
    ):
        began_s = time.perf_counter()
        runtime.predict(image)
        durations_s.append(time.perf_counter() - began_s)
    return 1000 * statistics.median(durations_s)


def _answers(runtime: Runtime, manifest: BundleManifest, path: Path) -> npt.NDArray[np.float32]:
    pixels = np.load(path, mmap_mode="r")
    answers = np.empty((len(pixels), len(manifest.classes)), np.float32)
    for start in range(0, len(pixels), IMAGES_AT_ONCE):
        answers[start : start + IMAGES_AT_ONCE] = runtime.predict(np.asarray(pixels[start : start + IMAGES_AT_ONCE]))
    return answers


def _end_with_parent(parent: int) -> None:
    """End when whoever asked is gone: nobody would read the answer."""
    while os.getppid() == parent:
        time.sleep(PARENT_LOOKED_FOR_EVERY_S)
    os._exit(1)


def main(directory: str, threads: str, pixels: str | None = None, answers: str | None = None) -> None:
    """Measure, and print what was found or why it could not be."""
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    paths = [None if text is None else Path(text) for text in (pixels, answers)]
    try:
        found = measure(Path(directory), int(threads), *paths)
    except RuntimeUnavailable as error:
        found = {"unavailable": str(error).rstrip(".")}
    except BundleError as error:
        found = {"refused": str(error).rstrip(".")}
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
