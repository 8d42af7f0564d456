"""The states of a replica: loading, ready, draining."""

from __future__ import annotations

from typing import Literal

__all__ = ["Lifecycle", "State"]

State = Literal["loading", "ready", "draining"]


class Lifecycle:
    """Where this replica is in its life. It only moves forward."""

    def __init__(self) -> None:
        self._state: State = "loading"
        self.requests = 0
        """Begun since the start, those of probes left out."""

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    def loaded(self) -> None:
        """The model is loaded and warmed up."""
        if self._state == "loading":
            self._state = "ready"

    def drain(self) -> None:
        """This replica is about to end: tell whoever asks, and serve on."""
        self._state = "draining"
