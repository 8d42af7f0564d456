"""How long a crashed replica waits before it is started again."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BackOff"]

FIRST_S = 10.0
LONGEST_S = 300.0
FORGIVEN_AFTER_S = 600.0
"""The kubelet's: at once after the first crash, then 10 s, doubled at each crash up to 5 minutes,
forgotten after 10 minutes without one (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle)."""


@dataclass(frozen=True)
class BackOff:
    """What the next crash will cost."""

    next_delay_s: float = 0.0

    def after_crash(self, ran_s: float) -> tuple[float, BackOff]:
        """Return how long to wait now, and what is known then.

        Args:
            ran_s: How long the process that crashed had run.
        """
        delay_s = 0.0 if ran_s >= FORGIVEN_AFTER_S else self.next_delay_s
        return delay_s, BackOff(min(LONGEST_S, max(FIRST_S, delay_s * 2)))
