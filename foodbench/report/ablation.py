"""What each step of a recipe is worth, as a table."""

from __future__ import annotations

import statistics
from pathlib import Path

from foodbench.analysis.ablation import StepEffect, effects
from foodbench.errors import MachineError
from foodbench.records.ablations import Ablation
from foodbench.report.files import summary_markdown
from foodbench.report.summary import Row, Section, Shown, Summary
from foodbench.store import Store, write_record

__all__ = ["ablation_summary", "write_ablation"]

COLUMNS = (
    "Accuracy without",
    "The step's gain (points)",
    "Its 95 % interval, paired",
    "McNemar p",
    "Validation, its gain (points)",
    "One image without (ms)",
    "Time with / without",
    "Of the rounds",
)


def ablation_summary(ablation: Ablation) -> Summary:
    """Return the table: a row for each step, below that of the whole recipe."""
    whole = Row(
        "The whole recipe",
        _cells(
            f"{ablation.accuracy:.4f} with it",
            "",
            "",
            "",
            f"{ablation.validation_accuracy:.4f} with it",
            f"{statistics.median(ablation.latencies_ms):.2f} with it",
            "",
            "",
        ),
    )
    rows = (whole, *(_row(ablation, effect) for effect in effects(ablation)))
    remark = (
        f"Accuracy of {ablation.images:,} evaluation images of {'; '.join(ablation.marks)}. One image in one thread of "
        f"{ablation.runtime}, without decoding, median of {len(ablation.latencies_ms)} rounds, on "
        f"{ablation.provenance.cpu_model or 'an unknown CPU'}."
    )
    return Summary(f"Steps of {ablation.model_name}'s recipe", COLUMNS, (Section("Step", rows),), (remark,))


def write_ablation(ablation: Ablation, directory: Path) -> Path:
    """Write the record and its table into ``directory``, replacing those that are there.

    Raises:
        MachineError: The disk is full or the folder cannot be written.
    """
    try:
        with Store(directory.parent).fresh_directory(directory) as temporary:
            write_record(temporary / "ablation.json", ablation)
            (temporary / "ablation.md").write_text(summary_markdown(ablation_summary(ablation)), encoding="utf-8")
    except OSError as error:
        raise MachineError(
            f"cannot write {directory}: {error.strerror or error}", "Free some disk space, or make the folder writable"
        ) from error
    return directory


def _row(ablation: Ablation, effect: StepEffect) -> Row:
    step, change = effect.ablated, effect.accuracy
    return Row(
        step.step,
        _cells(
            f"{step.accuracy:.4f}",
            f"{100 * change.value:+.2f}",
            f"{100 * change.low:+.1f} to {100 * change.high:+.1f}",
            f"{change.p_value:.3f}",
            f"{100 * (ablation.validation_accuracy - step.validation_accuracy):+.2f}",
            f"{statistics.median(step.latencies_ms):.2f}",
            f"{effect.latency_ratio:.3f}",
            f"{effect.latency_ratio_low:.3f} to {effect.latency_ratio_high:.3f}",
        ),
    )


def _cells(*texts: str) -> tuple[Shown, ...]:
    return tuple(Shown(text or "–") for text in texts)
