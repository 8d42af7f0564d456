"""Measures a bundle as a replica will serve it, each time in a fresh process."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from foodbench.errors import MachineError, RunFailed
from foodbench.process import run
from foodbench.provenance import usable_cores
from foodbench.records.bundles import RuntimeCost

__all__ = ["Measured", "measure_bundle", "measure_latency_ms"]

LONGEST_S = 3600.0


@dataclass(frozen=True)
class Measured:
    """What a bundle answered, and what it took."""

    answers: npt.NDArray[np.float32]
    """(n, classes)."""
    precision: str
    latency_ms: float
    """Of one image in one thread."""
    cost: RuntimeCost


@dataclass(frozen=True)
class _Reading:
    """What one process printed."""

    precision: str
    import_ms: float
    load_ms: float
    memory_imported_bytes: int
    memory_loaded_bytes: int
    latency_ms: float


def measure_bundle(directory: Path, pixels: npt.NDArray[np.uint8]) -> Measured:
    """Load a bundle in one process with one thread, and in another with a thread for each usable core.

    Args:
        directory: A bundle, its manifest written.
        pixels: (n, size, size, 3), images to answer; by the second process, which is quicker.

    Raises:
        MachineError: The runtime's package is not installed.
        RunFailed: The bundle cannot be served.
    """
    threads = usable_cores()
    # Beside the bundle: there is room for the bundle, while /tmp may be memory.
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".measuring-") as scratch:
        images, answers = Path(scratch) / "images.npy", Path(scratch) / "answers.npy"
        np.save(images, pixels)
        alone = _read(directory, 1)
        together = _read(directory, threads, images, answers)
        answered: npt.NDArray[np.float32] = np.load(answers)
    return Measured(
        answered,
        alone.precision,
        alone.latency_ms,
        RuntimeCost(
            import_ms=alone.import_ms,
            load_ms=alone.load_ms,
            memory_imported_bytes=alone.memory_imported_bytes,
            memory_loaded_bytes=alone.memory_loaded_bytes,
            threads=threads,
            latency_threads_ms=together.latency_ms,
        ),
    )


def measure_latency_ms(directory: Path) -> float:
    """Return the median time of one image in one thread, in a fresh process.

    Raises:
        MachineError: The runtime's package is not installed.
        RunFailed: The bundle cannot be served.
    """
    return _read(directory, 1).latency_ms


def _read(directory: Path, threads: int, *files: Path) -> _Reading:
    module = "foodbench.serving.measuring"
    done = run([sys.executable, "-m", module, str(directory), str(threads), *map(str, files)], timeout_s=LONGEST_S)
    try:
        found = json.loads(done.output.splitlines()[-1])
        if "unavailable" in found:
            raise MachineError(str(found["unavailable"]))
        if "refused" in found:
            raise RunFailed(f"the packaged model cannot be served: {found['refused']}")
        return TypeAdapter(_Reading).validate_python(found)
    except (IndexError, ValueError, TypeError, ValidationError):
        raise RunFailed(f"measuring {directory.name} printed no measurement: {done.output[-200:]!r}") from None
