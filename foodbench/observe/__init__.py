"""What the replicas use while they are under load."""

from __future__ import annotations

from foodbench.observe.sampler import COUNTS_FILE, REPLICAS_FILE, watching
from foodbench.observe.source import UsageSource

__all__ = ["COUNTS_FILE", "REPLICAS_FILE", "UsageSource", "watching"]
