"""What a variant costs: memory and cores, held for as long as a million successful transactions take."""

from __future__ import annotations

from dataclasses import dataclass

from foodbench.analysis.variants import Measured

__all__ = ["GIB_HOURS_PER_CORE_HOUR", "Cost", "cost_of"]

GIB = 2**30
MILLION = 1_000_000

GIB_HOURS_PER_CORE_HOUR = 9.0
"""Memory that costs as much as one core: 0.04048 USD a vCPU-hour against 0.004445 USD a GB-hour
(AWS Fargate, Linux on x86, us-east-1, list price). Only the ratio is used."""


@dataclass(frozen=True)
class Cost:
    """Per million successful transactions, at the rate that was measured."""

    cpu_used_core_hours: float
    memory_used_gib_hours: float
    cpu_requested_core_hours: float
    """Mean replicas times the CPU request of each."""
    memory_limit_gib_hours: float
    """Mean replicas times the memory limit of each."""

    @property
    def core_hours(self) -> float:
        """One figure to rank by: the CPU requested, and the memory used at ``GIB_HOURS_PER_CORE_HOUR``.

        The CPU that is requested is paid for whether used or not. Memory is taken as used, since
        a limit that was set alike for all says nothing about what each needs.
        """
        return self.cpu_requested_core_hours + self.memory_used_gib_hours / GIB_HOURS_PER_CORE_HOUR


def cost_of(measured: Measured) -> Cost | None:
    """Return what a measured cell costs; None where no transaction succeeded."""
    figures, resources = measured.load.figures, measured.resources
    if figures.successful_transactions == 0:
        return None
    hours = figures.elapsed_s / 3600 * MILLION / figures.successful_transactions
    asked = measured.cell.variant.resources
    return Cost(
        cpu_used_core_hours=resources.cpu_total_mean_cores * hours,
        memory_used_gib_hours=resources.memory_total_mean_bytes / GIB * hours,
        cpu_requested_core_hours=resources.replicas_mean * asked.cpu_request_cores * hours,
        memory_limit_gib_hours=resources.replicas_mean * asked.memory_limit_bytes / GIB * hours,
    )
