"""A run: the experiment, its cells, what each measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from foodbench.records.base import Record
from foodbench.records.deployments import CpuLimiter, DeploymentEvent, LoadBalancer, ScalingDecision
from foodbench.records.experiments import Experiment, Variant
from foodbench.records.loads import LoadResult
from foodbench.records.provenance import Provenance
from foodbench.records.traces import ResourceSummary

__all__ = ["CellResult", "Run", "Validity"]


class Validity(Record):
    """Whether a cell's numbers may be compared with the others', and if not, the one cause and the one fix."""

    valid: bool
    cause: str = ""
    fix: str = ""


class Run(Record):
    """Written when a run begins."""

    id: str
    """UTC start time and a random suffix: sorts by time, never repeats."""
    experiment: Experiment
    provenance: Provenance


class CellResult(Record):
    """One variant, deployed, loaded and watched once. Written when the cell is done."""

    cell: str
    """Variant name, a dot and the repeat, from 1."""
    variant: Variant
    repeat: int = Field(ge=1)
    model_digest: str
    bundle_digest: str
    status: Literal["measured", "failed"]
    failure: str = ""
    """Why nothing could be measured; one line."""
    load: LoadResult | None = None
    resources: ResourceSummary | None = None
    validity: Validity
    cpu_limiter: CpuLimiter | None = None
    memory_limit_enforced: bool = False
    load_balancer: LoadBalancer | None = None
    ready_after_s: float | None = None
    """From the start of the deployment until its replicas were ready."""
    events: tuple[DeploymentEvent, ...] = ()
    scaling_decisions: tuple[ScalingDecision, ...] = ()
