"""What a rule finds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One cause, its evidence, and what to do."""

    cause: str
    """A few words; the same for every cell with this cause."""
    evidence: str
    """What was seen, with its numbers; one line that stands for itself."""
    next_step: str
    lost: float = 0.0
    """Share of all requests whose failure it explains."""
    slowed: float = 0.0
    """Share of the load's time, or of its connections, that it made slower."""
