"""What every runtime offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Runtime", "RuntimeDescription", "RuntimeUnavailable"]


class RuntimeUnavailable(RuntimeError):
    """This machine lacks the runtime. The message is one line for the user."""


@dataclass(frozen=True)
class RuntimeDescription:
    """What really computes, as read back from the runtime."""

    name: str
    version: str
    threads: int
    """That one prediction uses."""
    precision: str
    """float32, int8, ... of the arithmetic; what the weights are stored in is added where it differs."""


class Runtime(Protocol):
    """A loaded model. One thread at a time may use it."""

    @property
    def description(self) -> RuntimeDescription:
        """What really computes."""

    def predict(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the class probabilities of each image.

        Args:
            batch: RGB pixels, shape (n, size, size, 3); n is 1 unless the runtime is one of ``BATCHING_RUNTIMES``.

        Returns:
            Shape (n, classes).
        """

    def twin(self) -> Runtime:
        """Return the same model for use by another thread at the same time."""
