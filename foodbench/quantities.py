"""Quantities with units, as people write them: "30s", "250m", "512Mi"."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["format_bytes", "parse_bytes", "parse_cores", "parse_duration_s"]

DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
CORE_UNITS = {"": 1.0, "m": 0.001}
BYTE_UNITS = {
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "k": 1e3, "M": 1e6, "G": 1e9,
}  # fmt: skip

NUMBER_AND_UNIT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def parse_duration_s(text: str) -> float:
    """Return the seconds in ``text``, e.g. "30s", "1.5m", "250ms".

    Raises:
        ValueError: Not a number with one of these units.
    """
    return _parse(text, DURATION_UNITS, 'a duration with its unit, such as "30s" or "5m"')


def parse_cores(text: str) -> float:
    """Return the CPU cores in ``text``, in Kubernetes' notation: "250m" is 0.25, "2" is 2.

    Raises:
        ValueError: Not such a quantity.
    """
    return _parse(text, CORE_UNITS, 'CPU cores, such as "250m" (a quarter of a core) or "2"')


def parse_bytes(text: str) -> int:
    """Return the bytes in ``text``, in Kubernetes' notation: "512Mi", "2Gi".

    Raises:
        ValueError: Not such a quantity.
    """
    return round(_parse(text, BYTE_UNITS, 'memory with its unit, such as "512Mi" or "2Gi"'))


def format_bytes(count: float) -> str:
    """Return ``count`` bytes as MiB, to three significant digits."""
    return f"{count / 2**20:,.3g} MiB" if count < 1000 * 2**20 else f"{count / 2**30:,.3g} GiB"


def _parse(text: str, units: Mapping[str, float], expected: str) -> float:
    match = NUMBER_AND_UNIT.fullmatch(text)
    if match is None or match[2] not in units:
        raise ValueError(f"should be {expected}")
    return float(match[1]) * units[match[2]]
