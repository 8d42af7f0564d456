"""Whether a cell's numbers may be compared with the others' of its run; if not, one cause and one fix.

The checks are ordered: a cause that makes the others meaningless comes first, and only the first that
applies is told. A low availability is a result, not a reason to distrust it.
"""

from __future__ import annotations

import math

from foodbench.analysis.statistics import samples_needed
from foodbench.records.deployments import Capacity, CpuLimiter, LoadBalancer
from foodbench.records.experiments import Variant
from foodbench.records.loads import LoadResult
from foodbench.records.runs import Validity
from foodbench.records.traces import ResourceSummary

__all__ = ["FEWEST_TRANSACTIONS", "GENERATOR_SATURATED_CORES", "judge"]

FEWEST_TRANSACTIONS = samples_needed(90.0)
"""Below this not even p90 is known, and the rate only to about 12 % (one over the root of 64)."""

GENERATOR_SATURATED_CORES = 0.9
"""The load generator runs Python in one thread: near one core it, not the service, sets the rate."""

MOST_GAPS = 0.1
"""Share of the readings of memory and CPU that may be late."""


def judge(
    *,
    variant: Variant,
    load: LoadResult | None,
    resources: ResourceSummary | None,
    cpu_limiter: CpuLimiter | None,
    load_balancer: LoadBalancer | None = None,
    capacity: Capacity,
    generator_reserve_cores: float,
    failure: str = "",
) -> Validity:
    """Judge one cell.

    Args:
        variant: What was deployed.
        load: What the load test measured; None where it could not.
        resources: What was observed meanwhile; None where nothing was.
        cpu_limiter: How each replica's CPU limit was enforced; None where it was not.
        load_balancer: What the load went through.
        capacity: The CPU that the replicas can have.
        generator_reserve_cores: Cores kept for the load generator and the load balancer, where they share the replicas'.
        failure: Why nothing could be measured.
    """
    if load is None:
        return _invalid(f"nothing was measured: {failure or 'no reason recorded'}", "Mend that and run this cell again")
    checks = (
        _incomplete(load),
        _nothing_succeeded(load),
        _one_of_several(variant, load_balancer),
        _oversubscribed(variant, capacity, generator_reserve_cores),
        _unlimited(cpu_limiter),
        _generator_saturated(load),
        _generator_took_cores(variant, load, capacity),
        _too_few(load),
        _unobserved(resources),
    )
    return next((found for found in checks if found is not None), Validity(valid=True))


def _invalid(cause: str, fix: str) -> Validity:
    return Validity(valid=False, cause=cause, fix=fix)


def _incomplete(load: LoadResult) -> Validity | None:
    # Stopped by failures, as the profile says, it has measured what there was to measure.
    if load.complete or load.stopped_after_failures is not None:
        return None
    return _invalid(
        f"the load ended after {load.figures.elapsed_s:.1f} of {load.profile.duration_s:g} s",
        "See why the load generator stopped, then run this cell again",
    )


def _nothing_succeeded(load: LoadResult) -> Validity | None:
    figures = load.figures
    if figures.successful_transactions > 0:
        return None
    if figures.transactions > 0:
        return _invalid(
            f"all {figures.transactions} answers were errors of status 400 to 499",
            f"Check the path {load.profile.path} of the load",
        )
    return _invalid("no request was answered", "See the failures by kind and the events of the deployment")


def _one_of_several(variant: Variant, load_balancer: LoadBalancer | None) -> Validity | None:
    if load_balancer != "port-forward" or variant.most_replicas == 1:
        return None
    return _invalid(
        f"the load went through a port-forward, which leads to one of up to {variant.most_replicas} replicas only",
        "Let this machine reach a node's port, or deploy with --service LoadBalancer",
    )


def _oversubscribed(variant: Variant, capacity: Capacity, generator_reserve_cores: float) -> Validity | None:
    if capacity.cores is None:
        return None
    if not capacity.shared_with_generator:
        return _beyond_the_nodes(variant, capacity.cores)
    usable_cores, reserve_cores = capacity.cores, generator_reserve_cores
    replicas, limit = variant.most_replicas, variant.resources.cpu_limit_cores
    wanted = replicas * limit + reserve_cores
    if wanted <= usable_cores + 1e-9:
        return None
    fitting = math.floor(100 * (usable_cores - reserve_cores) / replicas + 1e-9) / 100
    return _invalid(
        f"{replicas} x {limit:g} cores for the replicas and {reserve_cores:g} for the load generator"
        f" need {wanted:g} cores, {usable_cores:g} are usable",
        f"Limit each replica to {fitting:g} cores or use a machine with {math.ceil(wanted)} cores"
        if fitting > 0
        else f"Use a machine with {math.ceil(wanted)} cores",
    )


def _beyond_the_nodes(variant: Variant, node_cores: float) -> Validity | None:
    replicas, limit = variant.most_replicas, variant.resources.cpu_limit_cores
    if replicas * limit <= node_cores + 1e-9:
        return None
    return _invalid(
        f"{replicas} x {limit:g} cores for the replicas need {replicas * limit:g} cores, the nodes have {node_cores:g}",
        f"Limit each replica to {math.floor(100 * node_cores / replicas + 1e-9) / 100:g} cores, or add nodes",
    )


def _unlimited(cpu_limiter: CpuLimiter | None) -> Validity | None:
    if cpu_limiter is not None:
        return None
    return _invalid(
        "no CPU limit was enforced, so one replica could take the cores of five",
        "Let foodbench doctor say how a limit can be enforced on this machine",
    )


def _generator_saturated(load: LoadResult) -> Validity | None:
    used = load.generator_cpu_cores
    if used is None or used < GENERATOR_SATURATED_CORES:
        return None
    return _invalid(
        f"the load generator used {used:.2f} of the one core it can use, so it may have set the rate itself",
        "Lower the replicas' CPU limit, so that the service is the slower side",
    )


def _generator_took_cores(variant: Variant, load: LoadResult, capacity: Capacity) -> Validity | None:
    if capacity.cores is None or not capacity.shared_with_generator:
        return None
    used = load.generator_cpu_cores or 0.0
    replicas_cores = variant.most_replicas * variant.resources.cpu_limit_cores
    if replicas_cores + used <= capacity.cores + 1e-9:
        return None
    return _invalid(
        f"the load generator used {used:.2f} cores, which leaves the replicas less than their {replicas_cores:g}",
        f"Raise generator_reserve_cores to {math.ceil(used * 20) / 20:g}",
    )


def _too_few(load: LoadResult) -> Validity | None:
    transactions = load.figures.transactions
    # Where failures ended the load, that few were answered is what it found.
    if transactions >= FEWEST_TRANSACTIONS or load.stopped_after_failures is not None:
        return None
    longer_s = math.ceil(1.25 * load.figures.elapsed_s * FEWEST_TRANSACTIONS / max(1, transactions))
    return _invalid(
        f"only {transactions} transactions, fewer than the {FEWEST_TRANSACTIONS} a p90 needs",
        f"Load it for {longer_s} s",
    )


def _unobserved(resources: ResourceSummary | None) -> Validity | None:
    if resources is None or resources.samples == 0:
        return _invalid("memory and CPU were not read", "See why the observer failed, then run this cell again")
    if resources.gaps <= MOST_GAPS * resources.samples:
        return None
    return _invalid(
        f"{resources.gaps} of {resources.samples} readings of memory and CPU came late",
        "Leave the machine alone while a run goes on",
    )
