"""What a step of a recipe gains in accuracy, and what it costs in response time."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from foodbench.analysis.paired import PairedChange, paired_change
from foodbench.records.ablations import AblatedStep, Ablation

__all__ = ["StepEffect", "effects", "told_apart"]


@dataclass(frozen=True)
class StepEffect:
    """What one step does."""

    ablated: AblatedStep
    accuracy: PairedChange
    """Of the model with the step against the one without, image by image."""
    latency_ratio: float
    """Median over the rounds of the time with the step divided by that without."""
    latency_ratio_low: float
    """Least of the rounds."""
    latency_ratio_high: float


def effects(ablation: Ablation) -> tuple[StepEffect, ...]:
    """Return the effect of each step, in order."""
    return tuple(_effect(ablation, step) for step in ablation.steps)


def told_apart(with_step: str, without_step: str) -> tuple[int, int]:
    """Return how many images only the first model has right, and how many only the second.

    Args:
        with_step: ``Evaluation.right`` of the first.
        without_step: That of the second, on the same images.

    Raises:
        ValueError: They are not of the same images.

    Example:
        >>> told_apart("c", "9")
        (1, 1)
    """
    if len(with_step) != len(without_step) or not with_step:
        raise ValueError(f"not of the same images. Received: {len(with_step)} and {len(without_step)} digits")
    first, second = int(with_step, 16), int(without_step, 16)
    return (first & ~second).bit_count(), (second & ~first).bit_count()


def _effect(ablation: Ablation, step: AblatedStep) -> StepEffect:
    # Within a round both met the same state of a shared machine.
    ratios = [ours / left for ours, left in zip(ablation.latencies_ms, step.latencies_ms, strict=True)]
    return StepEffect(
        step,
        paired_change(step.gained, step.lost, ablation.images),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )
