"""foodbench: which model, in which runtime, deployed in which way, gives the accuracy you need at the lowest cost.

In a notebook::

    import foodbench

    run = foodbench.load_run("results/quickstart/20260102T030405-abcd")
    run.summary.set_index("variant")["transactions_per_s"].plot.barh()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foodbench.report.frames import RunFrames, load_run

__all__ = ["RunFrames", "__version__", "load_run"]

__version__: str


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: pandas alone takes over a second."""
    if name in {"load_run", "RunFrames"}:
        from foodbench.report import frames

        return getattr(frames, name)
    if name == "__version__":
        from importlib import metadata

        return metadata.version("foodbench")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
