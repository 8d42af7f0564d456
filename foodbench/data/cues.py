"""What the synthetic dishes are made of: shapes, textures, palettes.

Coordinates run from 0 to 1 over the image, so that a drawing looks alike at any size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

__all__ = ["PALETTES", "SHAPES", "TEXTURES", "Field", "coordinates"]

Field = NDArray[np.float32]
"""One number a pixel, ``(size, size)``."""

Point = tuple[float, float]

OVERSAMPLING = 2
"""Shapes are drawn this many times larger and reduced, which smooths their edges."""

PALETTES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "crust": ((176, 118, 62), (112, 66, 30)),
    "cream": ((238, 230, 208), (214, 198, 160)),
    "berry": ((206, 92, 128), (240, 214, 214)),
    "yolk": ((246, 240, 226), (240, 176, 38)),
    "golden": ((218, 158, 56), (164, 98, 26)),
    "red": ((150, 56, 46), (206, 140, 118)),
    "straw": ((228, 196, 112), (188, 146, 66)),
    "white": ((232, 232, 226), (176, 178, 176)),
    "salmon": ((236, 138, 96), (248, 206, 180)),
    "tomato": ((198, 74, 30), (232, 156, 60)),
    "green": ((92, 148, 52), (186, 206, 92)),
}
"""Two colours each, between which the texture moves; RGB."""


@functools.lru_cache(maxsize=4)
def coordinates(size_px: int) -> tuple[Field, Field]:
    """Return x and y of every pixel's middle, each ``(size_px, size_px)``; not to be written to."""
    line = (np.arange(size_px, dtype=np.float32) + np.float32(0.5)) / np.float32(size_px)
    x, y = np.meshgrid(line, line)
    x.flags.writeable = y.flags.writeable = False
    return x, y


# Shapes: masks, 1 where the dish is.


def _mask(size_px: int, paint: Callable[[ImageDraw.ImageDraw, float], None]) -> Field:
    scale = size_px * OVERSAMPLING
    canvas = Image.new("L", (scale, scale))
    paint(ImageDraw.Draw(canvas), float(scale))
    return np.asarray(canvas.reduce(OVERSAMPLING), np.float32) / np.float32(255)


def _turned(points: list[Point], centre: Point, angle: float) -> list[Point]:
    cos, sin = math.cos(angle), math.sin(angle)
    return [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in points]


def _oval(centre: Point, radii: Point, angle: float, corners: int = 24, wobble: Field | None = None) -> list[Point]:
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    reach = [1.0] * corners if wobble is None else [float(value) for value in wobble]
    points = [(radii[0] * r * math.cos(t), radii[1] * r * math.sin(t)) for r, t in zip(reach, turns, strict=True)]
    return _turned(points, centre, angle)


def _fill(draw: ImageDraw.ImageDraw, points: list[Point], scale: float, value: int = 255) -> None:
    draw.polygon([(x * scale, y * scale) for x, y in points], fill=value)


def _centre(rng: np.random.Generator, spread: float = 0.08) -> Point:
    x, y = rng.normal(0.5, spread, 2)
    return float(x), float(y)


def _disc(rng: np.random.Generator, size_px: int) -> Field:
    radius = rng.uniform(0.28, 0.4)
    outline = _oval(_centre(rng), (radius, radius * rng.uniform(0.8, 1.0)), rng.uniform(0, math.pi))
    return _mask(size_px, lambda draw, scale: _fill(draw, outline, scale))


def _loaf(rng: np.random.Generator, size_px: int) -> Field:
    long, short, angle = rng.uniform(0.34, 0.46), rng.uniform(0.17, 0.24), rng.uniform(0, math.pi)
    turns = [2 * math.pi * corner / 32 for corner in range(32)]
    # A superellipse: nearly a rectangle with round corners.
    corners = [
        (
            long * math.copysign(abs(math.cos(t)) ** 0.5, math.cos(t)),
            short * math.copysign(abs(math.sin(t)) ** 0.5, math.sin(t)),
        )
        for t in turns
    ]
    outline = _turned(corners, _centre(rng), angle)
    return _mask(size_px, lambda draw, scale: _fill(draw, outline, scale))


def _wedge(rng: np.random.Generator, size_px: int) -> Field:
    length, width = rng.uniform(0.65, 0.85), rng.uniform(0.25, 0.36)
    corners = [(-length / 2, 0.0), (length / 2, -width), (length / 2, width)]
    outline = _turned(corners, _centre(rng), rng.uniform(0, 2 * math.pi))
    return _mask(size_px, lambda draw, scale: _fill(draw, outline, scale))


def _pieces(rng: np.random.Generator, size_px: int) -> Field:
    outlines = []
    for _ in range(int(rng.integers(6, 11))):
        radius, wobble = rng.uniform(0.1, 0.16), rng.uniform(0.7, 1.15, 9).astype(np.float32)
        outlines.append(_oval(_centre(rng, 0.17), (radius, radius), 0, corners=9, wobble=wobble))

    def paint(draw: ImageDraw.ImageDraw, scale: float) -> None:
        for outline in outlines:
            # A dark rim keeps pieces that overlap apart.
            _fill(draw, outline, scale, 0)
            middle = np.mean(outline, axis=0)
            _fill(draw, [(float(m[0]), float(m[1])) for m in (np.asarray(outline) - middle) * 0.88 + middle], scale)

    return _mask(size_px, paint)


def _strands(rng: np.random.Generator, size_px: int) -> Field:
    lines = []
    along = np.linspace(-0.45, 0.45, 14)
    for _ in range(int(rng.integers(14, 22))):
        bend, waves, phase = rng.uniform(0.02, 0.1), rng.uniform(1, 3), rng.uniform(0, 6.3)
        across = rng.normal(0, 0.16) + bend * np.sin(2 * math.pi * waves * along + phase)
        points = [(float(a), float(b)) for a, b in zip(along * rng.uniform(0.6, 1.0), across, strict=True)]
        lines.append(_turned(points, _centre(rng, 0.05), rng.uniform(0, math.pi)))

    def paint(draw: ImageDraw.ImageDraw, scale: float) -> None:
        for line in lines:
            points = [(x * scale, y * scale) for x, y in line]
            draw.line(points, fill=0, width=round(0.05 * scale), joint="curve")
            draw.line(points, fill=255, width=round(0.036 * scale), joint="curve")

    return _mask(size_px, paint)


def _grains(rng: np.random.Generator, size_px: int) -> Field:
    count = int(rng.integers(160, 240))
    centres, angles = rng.normal(0.5, 0.13, (count, 2)), rng.uniform(0, math.pi, count)
    outlines = [
        _oval((float(x), float(y)), (0.038, 0.016), float(angle), corners=8)
        for (x, y), angle in zip(centres, angles, strict=True)
    ]

    def paint(draw: ImageDraw.ImageDraw, scale: float) -> None:
        for place, outline in enumerate(outlines):
            _fill(draw, outline, scale, 255 if place % 3 else 150)

    return _mask(size_px, paint)


def _crescents(rng: np.random.Generator, size_px: int) -> Field:
    arcs = []
    for _ in range(int(rng.integers(3, 6))):
        (x, y), radius, start = _centre(rng, 0.14), rng.uniform(0.14, 0.22), rng.uniform(0, 360)
        arcs.append((x - radius, y - radius, x + radius, y + radius, start, start + rng.uniform(190, 270)))

    def paint(draw: ImageDraw.ImageDraw, scale: float) -> None:
        for left, top, right, bottom, start, end in arcs:
            box = (left * scale, top * scale, right * scale, bottom * scale)
            draw.arc(box, start, end, fill=255, width=round(0.1 * scale))

    return _mask(size_px, paint)


SHAPES: dict[str, Callable[[np.random.Generator, int], Field]] = {
    "disc": _disc,
    "loaf": _loaf,
    "wedge": _wedge,
    "pieces": _pieces,
    "strands": _strands,
    "grains": _grains,
    "crescents": _crescents,
}


# Textures: -1 is the palette's first colour, 1 its second.


def _turned_axes(rng: np.random.Generator, size_px: int) -> tuple[Field, Field]:
    x, y = coordinates(size_px)
    angle = rng.uniform(0, math.pi)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def _wave(position: Field, rng: np.random.Generator, slowest: float, fastest: float) -> Field:
    turns = np.float32(2 * math.pi * rng.uniform(slowest, fastest))
    wave: Field = np.sin(position * turns + np.float32(rng.uniform(0, 2 * math.pi)))
    return wave


def _limited(field: Any) -> Field:
    limited: Field = np.clip(field, np.float32(-1), np.float32(1))
    return limited


def _clouds(rng: np.random.Generator, size_px: int, cells: int) -> Field:
    coarse = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((size_px, size_px), Image.Resampling.BICUBIC), np.float32)


def _smooth(rng: np.random.Generator, size_px: int) -> Field:
    return _clouds(rng, size_px, 3) * np.float32(0.35) - np.float32(0.4)


def _stripes(rng: np.random.Generator, size_px: int) -> Field:
    along, _across = _turned_axes(rng, size_px)
    return _limited(_wave(along, rng, 8, 13) * np.float32(2))


def _dots(rng: np.random.Generator, size_px: int) -> Field:
    along, across = _turned_axes(rng, size_px)
    product = _wave(along, rng, 5, 8) * _wave(across, rng, 5, 8)
    return _limited((product - np.float32(0.45)) * np.float32(6))


def _checks(rng: np.random.Generator, size_px: int) -> Field:
    along, across = _turned_axes(rng, size_px)
    return _limited(_wave(along, rng, 5, 8) * _wave(across, rng, 5, 8) * np.float32(5))


def _grit(rng: np.random.Generator, size_px: int) -> Field:
    return _limited(_clouds(rng, size_px, max(2, size_px // 3)) * np.float32(0.9))


def _marble(rng: np.random.Generator, size_px: int) -> Field:
    veins = np.abs(_clouds(rng, size_px, 7))
    return _limited(np.float32(1) - veins * np.float32(4))


def _core(rng: np.random.Generator, size_px: int) -> Field:
    x, y = coordinates(size_px)
    middle_x, middle_y = _centre(rng, 0.06)
    distance: Field = np.hypot(x - np.float32(middle_x), y - np.float32(middle_y))
    return _limited((np.float32(rng.uniform(0.09, 0.16)) - distance) * np.float32(30))


TEXTURES: dict[str, Callable[[np.random.Generator, int], Field]] = {
    "smooth": _smooth,
    "stripes": _stripes,
    "dots": _dots,
    "checks": _checks,
    "grit": _grit,
    "marble": _marble,
    "core": _core,
}
