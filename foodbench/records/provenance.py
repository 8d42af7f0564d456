"""Where and with what a number was produced."""

from __future__ import annotations

from foodbench.records.base import Record

__all__ = ["Provenance"]


class Provenance(Record):
    """The machine, the software and the source revision behind a record."""

    created_at: str
    """UTC, ISO 8601."""
    host: str
    operating_system: str
    cpu_model: str
    cpu_features: tuple[str, ...]
    """Those that decide how fast inference is (avx2, avx512f, avx512_vnni, amx_int8, ...)."""
    cpu_cores: int
    """Cores this process may use."""
    memory_bytes: int
    python_version: str
    package_versions: dict[str, str]
    git_revision: str | None
    """With a trailing + where the work tree had changes; None outside a checkout."""
