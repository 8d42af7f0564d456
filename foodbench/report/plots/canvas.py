"""Style and saving, alike for all pictures."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from foodbench.records.experiments import Mode

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "MODES",
    "ORANGE",
    "SKY",
    "VERMILLION",
    "as_png",
    "as_svg",
    "headline",
    "new_figure",
    "settle",
    "style",
]

# Okabe and Ito, "Color universal design" (2008): told apart by people of all kinds of colour vision.
BLUE, ORANGE, GREEN, VERMILLION, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9"
GREY = "#5A5A5A"

MODES: dict[Mode, tuple[str, str, str]] = {
    "single": (BLUE, "o", "one replica"),
    "lb": (VERMILLION, "s", "load-balanced"),
    "hpa": (GREEN, "^", "autoscaled (HPA)"),
}
"""Colour, marker and name of each deployment mode: shape tells what colour tells."""

SETTINGS: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.dpi": 150,
    "savefig.dpi": "figure",
    # Names come from users: a $ in one is no formula.
    "text.parse_math": False,
    # Equal inputs give equal files.
    "svg.hashsalt": "foodbench",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Apply the settings, within the block only, to every picture made in it."""
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes: no reason to fail or to alarm anyone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure of that size in inches."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settle(figure: Figure) -> None:
    """Fix the layout where it is, so that what is placed by pixels stays in place."""
    # The first pass learns the size of the tick labels, the second makes room for them.
    figure.draw_without_rendering()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def as_png(figure: Figure) -> bytes:
    """Return the picture as PNG."""
    return _saved(figure, "png", {"Software": None})


def as_svg(figure: Figure) -> bytes:
    """Return the picture as SVG; letters are drawn as shapes, so that it looks alike everywhere."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind, metadata=metadata, facecolor="white")
    return file.getvalue()


def headline(axes: Axes, title: str, subtitle: str) -> None:
    """Write a title and, smaller below it, what must be known beside it."""
    axes.set_title(title, fontsize=11, fontweight="bold", pad=20 + 11 * subtitle.count("\n"))
    below = axes.annotate(
        subtitle,
        (0, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8,
        color=GREY,
        verticalalignment="bottom",
        annotation_clip=False,
    )
    # Room for it is the title's padding. A long one may stand above the axes beside it, and must not push them away.
    below.set_in_layout(False)
