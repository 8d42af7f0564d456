"""A picture as files, and as the page shows it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from foodbench.report.plots.canvas import as_png, as_svg

__all__ = ["Picture", "written"]


@dataclass(frozen=True)
class Picture:
    """A picture for the page."""

    kind: str
    """tradeoff, timeline, curves, confusion or calibration."""
    of: str
    """What it shows: a title, a cell, a model's digest."""
    alt: str
    media_type: str
    content: bytes

    @property
    def source(self) -> str:
        """The picture itself as an address, so that the page needs no other file."""
        # As an image, not inline: identifiers within one SVG cannot meet those of another.
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"


def written(figure: Figure, plots: Path, name: str, kind: str, alt: str, of: str, *, with_svg: bool = False) -> Picture:
    """Write a figure into the folder ``plots`` as PNG, and as SVG too if asked; return it for the page."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    png = as_png(figure)
    (plots / f"{stem}.png").write_bytes(png)
    if not with_svg:
        return Picture(kind, of, alt, "image/png", png)
    svg = as_svg(figure)
    (plots / f"{stem}.svg").write_bytes(svg)
    return Picture(kind, of, alt, "image/svg+xml", svg)
