"""What a runtime costs in accuracy, and on which CPU that is known."""

from __future__ import annotations

from dataclasses import dataclass

from foodbench.analysis.paired import PairedChange, paired_change
from foodbench.records.bundles import Fidelity, ServingBundle
from foodbench.records.experiments import LARGEST_ACCURACY_LOSS, Runtime
from foodbench.records.provenance import Provenance

__all__ = ["AccuracyLoss", "accuracy_loss", "is_integer", "why_not_known_here"]

LARGEST_P_VALUE = 0.05
"""A loss that chance alone would bring about more often than this is not called one."""

INTEGER_RUNTIMES: frozenset[Runtime] = frozenset({"litert-int8", "openvino-int8"})


@dataclass(frozen=True)
class AccuracyLoss:
    """How a runtime's accuracy changed against the Keras model on the same images, and how much it may lose."""

    change: PairedChange
    largest: float
    """The most it may lose, as a fraction."""

    @property
    def too_large(self) -> bool:
        """Whether more is lost than it may, and not by chance."""
        return -self.change.value > self.largest and self.change.p_value < LARGEST_P_VALUE

    @property
    def remark(self) -> str:
        """What must be said of it, without a final full stop; empty where nothing must."""
        lost = -self.change.value
        if lost <= self.largest:
            return ""
        told = (
            f"{100 * lost:.1f} points less accurate than the Keras model "
            f"({-100 * self.change.high:.1f} to {-100 * self.change.low:.1f}; McNemar p = {self.change.p_value:.2g} on "
            f"{self.change.images:,} images), where {100 * self.largest:.1f} may be lost"
        )
        return told if self.too_large else f"{told}; that may be chance, and more images would tell"


def accuracy_loss(fidelity: Fidelity, largest: float = LARGEST_ACCURACY_LOSS) -> AccuracyLoss | None:
    """Return what a packaged model lost against its Keras model; None where an older record does not know."""
    if fidelity.gained is None or fidelity.lost is None:
        return None
    return AccuracyLoss(paired_change(fidelity.gained, fidelity.lost, fidelity.images), largest)


def is_integer(runtime: Runtime) -> bool:
    """Return whether a runtime computes in integers, whose speed and rounding depend on the CPU more than others'."""
    return runtime in INTEGER_RUNTIMES


def why_not_known_here(runtime: Runtime, bundle: ServingBundle | None, host: Provenance | None) -> str:
    """Return why an integer runtime must not be recommended for ``host``; empty where nothing speaks against it.

    Args:
        runtime: Any; only integer runtimes need a measurement on the very CPU.
        bundle: The packaged model, with the machine it was measured on.
        host: The machine that is to serve.
    """
    if not is_integer(runtime):
        return ""
    if bundle is None or host is None:
        return f"{runtime} was not measured on this CPU: no record says where"
    measured = bundle.provenance
    if (measured.cpu_model, measured.cpu_features) == (host.cpu_model, host.cpu_features):
        return ""
    return f"{runtime} was measured on another CPU ({measured.cpu_model}), not on this one ({host.cpu_model})"
