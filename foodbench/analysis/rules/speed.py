"""Why answers were slow, or the rate was not the service's own."""

from __future__ import annotations

from foodbench.analysis.rules.finding import Finding
from foodbench.analysis.statistics import binomial_tail
from foodbench.analysis.validity import GENERATOR_SATURATED_CORES
from foodbench.records.runs import CellResult

__all__ = ["connection_skew", "generator_limited", "throttled"]

THROTTLED_MOSTLY = 0.5
"""Share of the time held back above which the CPU limit is what sets the rate."""

SKEW_BY_CHANCE = 0.001
"""A share that chance gives some replica of a healthy deployment more often than this is no finding."""

SKEW_THAT_MATTERS = 1.25
"""With many connections the smallest unevenness is certain; below this factor nobody notices it."""


def throttled(cell: CellResult) -> Finding | None:
    """The CPU limit held the replicas back for most of the time."""
    fraction = None if cell.resources is None else cell.resources.throttled_fraction
    if fraction is None or fraction <= THROTTLED_MOSTLY:
        return None
    limit = cell.variant.resources.cpu_limit_cores
    return Finding(
        "CPU limit",
        f"CPU throttled {100 * fraction:.0f} % of the time by the limit of {limit:g} core{'' if limit == 1 else 's'} a replica",
        "If answers are too slow, raise the CPU limit, add replicas, or serve a faster model or runtime",
        slowed=fraction,
    )


def connection_skew(cell: CellResult) -> Finding | None:
    """One replica took more of the connections than a choice at random would give any of them.

    A connection goes to a replica with its chance, so what it takes in all is a sum of independent trials. The
    tail of that sum is at most the one of as many trials with the mean chance (W. Hoeffding, "On the
    distribution of the number of successes in independent trials", Annals of Mathematical Statistics 27
    (1956), 713-721; from one above the mean on), so the binomial tail never says too little. It is multiplied
    by the number of replicas (Bonferroni), since the one with the most is looked at.
    """
    replicas = () if cell.resources is None else cell.resources.replicas
    taken = {
        one.replica: (one.connections, one.connections_expected)
        for one in replicas
        if one.connections is not None and one.connections_expected
    }
    total = sum(count for count, _ in taken.values())
    if len(taken) < 2 or not total:
        return None
    name, (count, expected) = max(taken.items(), key=lambda one: one[1][0] / one[1][1])
    chance = min(1.0, expected / total)
    likelihood = len(taken) * binomial_tail(count, total, chance)
    if likelihood >= SKEW_BY_CHANCE or count < SKEW_THAT_MATTERS * expected:
        return None
    kept = cell.load is not None and cell.load.profile.connection == "keep-alive"
    return Finding(
        "connection skew",
        f"{name} took {100 * count / total:.0f} % of the {total:,} connections, a random choice gives"
        f" {100 * chance:.0f} % (so uneven by chance: {_probability(likelihood)})",
        "Let connections end now and then, or balance by request: a kept connection stays at its replica"
        if kept
        else "See whether the other replicas were really reachable, or choose the one with the least connections",
        slowed=count / total - chance,
    )


def generator_limited(cell: CellResult) -> Finding | None:
    """The load generator was at its own limit."""
    used = None if cell.load is None else cell.load.generator_cpu_cores
    if used is None or used < GENERATOR_SATURATED_CORES:
        return None
    return Finding(
        "load generator",
        f"the load generator used {used:.2f} of the one core it can use: it, not the service, set the rate",
        "Lower the replicas' CPU limit, or load from another machine",
        slowed=1.0,
    )


def _probability(value: float) -> str:
    return "below 1 in a million" if value < 1e-6 else f"{value:.1g}"
