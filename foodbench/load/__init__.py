"""The load: Locust in a process of its own, every request kept.

``run_load`` starts the generator, follows it, and reduces its samples to a ``LoadResult``. This package
imports Locust only in the generator's process, because Locust patches the standard library.
"""

from __future__ import annotations

from foodbench.load.runner import run_load

__all__ = ["run_load"]
