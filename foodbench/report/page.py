"""The report as one self-contained HTML page: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from foodbench.analysis.advice import Advice
from foodbench.analysis.cost import GIB_HOURS_PER_CORE_HOUR
from foodbench.analysis.variants import VariantFacts
from foodbench.analysis.verdicts import Verdict
from foodbench.report.folder import RunFolder
from foodbench.report.models import classes_summary, models_summary
from foodbench.report.pictures import Picture
from foodbench.report.summary import Summary

__all__ = ["render_page"]


def marks_with_models(variants: Sequence[VariantFacts]) -> list[str]:
    """Return each mark once; one that not all models carry names those that do."""
    carriers: dict[str, dict[str, None]] = {}
    for facts in variants:
        for mark in facts.marks:
            carriers.setdefault(mark, {})[facts.variant.model] = None
    models = {facts.variant.model for facts in variants}
    return [mark if len(names) == len(models) else f"{mark} ({', '.join(names)})" for mark, names in carriers.items()]


def render_page(
    folder: RunFolder,
    summary: Summary,
    exports: Summary,
    advice: Advice,
    verdicts: Sequence[Verdict],
    pictures: Sequence[Picture],
) -> str:
    """Return the page.

    Args:
        folder: The run.
        summary: Its summary table.
        exports: The table of its bundles.
        advice: What the numbers say about which variant to deploy.
        verdicts: Pros, cons and best use of each variant.
        pictures: Every picture of the report.
    """
    environment = Environment(
        loader=PackageLoader("foodbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        run=folder.run,
        marks=marks_with_models(folder.variants),
        models=folder.models,
        training=models_summary(folder.models),
        classes={
            model.digest: classes_summary(model.spec.name, model.dataset.classes, model.evaluation)
            for model in folder.models
        },
        summary=summary,
        exports=exports,
        advice=advice,
        verdicts=verdicts,
        pictures=pictures,
        gib_hours=GIB_HOURS_PER_CORE_HOUR,
    )
