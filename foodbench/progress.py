"""How a stage tells how far it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Receives the progress of long work."""

    def step(self, description: str, done: float, total: float) -> None:
        """Say that ``done`` of ``total`` is behind us. A new description begins a new piece of work."""

    def say(self, line: str) -> None:
        """Tell the user one thing worth knowing."""


class Silent:
    """A listener that ignores everything."""

    def step(self, description: str, done: float, total: float) -> None:
        """Ignore it."""

    def say(self, line: str) -> None:
        """Ignore it."""
