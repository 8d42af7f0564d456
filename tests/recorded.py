"""Recorded answers of a real cluster, from tests/data/k8s."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foodbench.deploy.kubernetes.findings import Observed
from foodbench.deploy.kubernetes.reading import objects, read_event

__all__ = ["observed_from", "recordings"]

FOLDER = Path(__file__).parent / "data" / "k8s"


def recordings(name: str) -> list[dict[str, Any]]:
    """Return the lines of a file of recordings."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def observed_from(recorded: Mapping[str, Any], *, events: str = "events", **more: Any) -> Observed:
    """Return recorded objects as they are observed."""
    return Observed(
        deployment=recorded.get("deployment") or {},
        replica_sets=objects(recorded, "replica_sets"),
        pods=objects(recorded, "pods"),
        events=tuple(read_event(event) for event in objects(recorded, events)),
        autoscaler=recorded.get("autoscaler"),
        nodes=objects(recorded, "nodes"),
        endpoint_slices=objects(recorded, "endpoint_slices"),
        logs=recorded.get("logs") or {},
        **more,
    )
