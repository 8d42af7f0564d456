"""Long names, broken where a reader would break them."""

from __future__ import annotations

import re

__all__ = ["wrapped"]


def wrapped(name: str, width: int) -> str:
    """Break ``name`` into lines of at most ``width`` characters, behind hyphens, dots, slashes and spaces if it can.

    A dot within a number (1.0) is no place to break.
    """
    lines = [""]
    for part in re.split(r"(?<=[-/_ ])|(?<=[.])(?![0-9])", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(line.strip() for line in lines)
