from collections.abc import Sequence

import builders
import numpy as np
import pyarrow as pa
import pytest
from builders import STARTED_AT, deployment_event
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from foodbench.analysis.classes import class_scores, poor_classes
from foodbench.analysis.variants import VariantFacts, join_variants
from foodbench.records.deployments import DeploymentEvent
from foodbench.records.experiments import Mode
from foodbench.records.models import WeightsUsed
from foodbench.records.runs import CellResult, Validity
from foodbench.records.traces import LOAD_COLUMNS, REPLICA_COLUMNS
from foodbench.report.plots.canvas import as_png, as_svg, style
from foodbench.report.plots.timeline import draw_timeline
from foodbench.report.plots.tradeoff import TRADEOFFS, draw_tradeoff
from foodbench.report.plots.training import draw_confusion, draw_curves

MODES: tuple[Mode, ...] = ("single", "lb", "hpa")


def facts_of(cells: Sequence[CellResult]) -> tuple[VariantFacts, ...]:
    return join_variants([], cells, builders.report_models(), builders.report_bundles())


def texts(figure: Figure) -> list[str]:
    return [text for found in figure.findobj(Text) if (text := found.get_text())]


def drawn(cells: Sequence[CellResult], title: str = "Title") -> list[Figure]:
    with style():
        return [draw_tradeoff(facts_of(cells), tradeoff, title) for tradeoff in TRADEOFFS]


def test_every_variant_is_named_and_every_axis_has_its_unit() -> None:
    figures = drawn(builders.report_cells())
    assert [figure.axes[0].get_xlabel() for figure in figures] == [
        "Memory under load, all replicas, mean (MiB), lower is better",
        "Transaction rate (transactions per second), higher is better",
        "Response time, mean (s), lower is better",
    ]
    for figure in figures:
        assert "accuracy" in figure.axes[0].get_ylabel()
        told = texts(figure)
        assert all(cell.variant.name in told for cell in builders.report_cells())
        assert any("Food-11-like (64 px)" in text for text in told)


def test_names_do_not_overlap() -> None:
    for figure in drawn(builders.report_cells()):
        names = {cell.variant.name for cell in builders.report_cells()}
        boxes = [found.get_window_extent() for found in figure.findobj(Text) if found.get_text() in names]
        assert len(boxes) == 5
        assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [builders.cell_result(status="failed")],
        [builders.cell_result()],
        [builders.cell_result(variant=builders.variant(name=f"same-{n}", mode=MODES[n % 3])) for n in range(12)],
        [builders.cell_result(variant=builders.variant(name="a-very-long-name-" * 4))],
        [builders.cell_result(variant=builders.variant(name="$x_1$ < 食物 %"))],
        [builders.cell_result(model_digest="unknown", bundle_digest="unknown", variant=builders.variant(model="gone"))],
        [
            builders.cell_result(
                load=builders.load_result(
                    figures=builders.siege_figures(transactions=0, response_time_s=0, transactions_per_s=0)
                )
            )
        ],
    ],
    ids=["none", "failed", "one", "twelve equal", "long name", "odd signs", "no model", "zeros"],
)
def test_any_run_can_be_drawn(cells: list[CellResult]) -> None:
    for figure in drawn(cells, "Price in $ and % of $"):
        assert as_png(figure).startswith(b"\x89PNG")


def test_a_variant_that_was_not_measured_is_named_below_the_title() -> None:
    cells = [*builders.report_cells(), builders.cell_result(status="failed", variant=builders.variant(name="broken"))]
    assert any("Not measured: broken" in text for text in texts(drawn(cells)[0]))


def test_an_invalid_point_is_hollow_and_not_on_the_front() -> None:
    invalid = builders.cell_result(validity=Validity(valid=False, cause="c", fix="f"))
    told = texts(drawn([invalid])[0])
    assert "hollow: not valid" in told
    assert "Pareto front" not in told


def test_a_mark_of_one_model_only_is_tied_to_its_points() -> None:
    plain = builders.model_artifact()
    marked = builders.model_artifact(
        digest="marked", spec=builders.model_spec(name="marked"), weights=WeightsUsed(kind="random")
    )
    cells = [
        builders.cell_result(
            variant=builders.variant(name=model.spec.name, model=model.spec.name), model_digest=model.digest
        )
        for model in (plain, marked)
    ]
    with style():
        figure = draw_tradeoff(join_variants([], cells, [plain, marked], []), TRADEOFFS[0], "x")
    told = texts(figure)
    assert "marked †" in told
    assert plain.spec.name in told
    assert any("† random initial weights" in text for text in told)


def timeline(*events: DeploymentEvent) -> Figure:
    cell = builders.cell_result(events=events)
    samples, replicas = (pa.table({name: [] for name in columns}) for columns in (LOAD_COLUMNS, REPLICA_COLUMNS))
    counts = pa.table({"time_s": [STARTED_AT], "ready_replicas": [1], "desired_replicas": [1]})
    with style():
        return draw_timeline(cell, samples, replicas, counts)


def event(reason: str, at_s: float, endpoints: int | None = None) -> DeploymentEvent:
    return deployment_event(reason=reason, time_s=STARTED_AT + at_s, ready_endpoints=endpoints)


def test_a_timeline_marks_what_happened_a_row_for_each_kind() -> None:
    figure = timeline(
        event("Ready", -2, 1),
        event("Unhealthy", 5),
        event("Unhealthy", 9, 0),
        event("Ready", 15, 1),
        event("OOMKilled", 20, 0),
        event("Error", 60),
    )
    strip = figure.axes[-1]
    assert [label.get_text() for label in strip.get_yticklabels()] == ["probe failed", "out of memory", "ready"]
    assert [np.asarray(line.get_xdata()).tolist() for line in strip.get_lines()] == [[5, 9], [20], [-2, 15]]
    assert "Seconds since the load began" in strip.get_xlabel()
    spans = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle) and patch.get_width()]
    assert [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in spans] == [(9, 15), (20, 29.49)]
    assert "no endpoint" in texts(figure)


def test_a_timeline_on_which_nothing_happened_has_no_strip() -> None:
    figure = timeline(event("Started", -4), event("Ready", -2, 1))
    assert len(figure.axes) == 4
    assert "Seconds since the load began" in figure.axes[-1].get_xlabel()
    assert "no endpoint" not in texts(figure)


def test_equal_inputs_give_equal_files_and_no_setting_stays_behind() -> None:
    before = dict(rcParams)
    first, second = (drawn(builders.report_cells())[0] for _ in range(2))
    with style():
        assert as_svg(first) == as_svg(second)
        assert as_png(first) == as_png(second)
    assert dict(rcParams) == before


def test_the_boundary_between_the_phases_is_marked_where_there_are_two() -> None:
    with style():
        assert "fine-tuning" in texts(draw_curves(builders.model_artifact()))
        one_phase = builders.model_artifact(epochs=builders.epochs(1, 0))
        assert "fine-tuning" not in texts(draw_curves(one_phase))


@pytest.mark.parametrize("best", [0.2, 0.4, 0.55, 0.82, 1.0])
def test_the_boundarys_label_is_clear_of_curves_and_legend(best: float) -> None:
    with style():
        figure = draw_curves(builders.model_artifact(epochs=builders.epochs(best=best)))
        as_png(figure)
    for axes in figure.axes:
        (label,) = [text for text in axes.texts if text.get_text() == "fine-tuning"]
        taken = label.get_window_extent()
        *curves, _boundary = axes.lines
        for curve in curves:
            assert not curve.get_transform().transform_path(curve.get_path()).intersects_bbox(taken, filled=False)
        legend = axes.get_legend()
        assert legend is None or not legend.get_window_extent().overlaps(taken)


@pytest.mark.parametrize("classes", [1, 11, 60])
def test_a_confusion_matrix_of_any_size_can_be_drawn(classes: int) -> None:
    names = tuple(f"class {number} with a rather long name" for number in range(classes))
    confusion = tuple(tuple(int(row == column) * 3 for column in range(classes)) for row in range(classes))
    evaluation = builders.evaluation(3 * classes, 3 * classes, confusion=confusion)
    model = builders.model_artifact(dataset=builders.dataset_record(classes=names), evaluation=evaluation)
    with style():
        assert as_png(draw_confusion(model)).startswith(b"\x89PNG")


def test_a_class_is_poor_only_where_its_whole_interval_is_below() -> None:
    dataset = builders.dataset_record(classes=("good", "poor", "few", "none"))
    confusion = ((95, 5, 0, 0), (50, 50, 0, 0), (1, 0, 1, 0), (0, 0, 0, 0))
    evaluation = builders.evaluation(146, 202, confusion=confusion)
    model = builders.model_artifact(dataset=dataset, evaluation=evaluation)
    assert [found.name for found in poor_classes(model)] == ["poor"]
    good, poor, few, none = class_scores(dataset.classes, evaluation)
    assert (good.recall, poor.recall, few.recall, none.recall) == (0.95, 0.5, 0.5, None)
    assert (good.precision, poor.precision, few.precision, none.precision) == (95 / 146, 50 / 55, 1.0, None)
    assert few.f1 == pytest.approx(2 / (1 / 0.5 + 1 / 1.0))
    assert none.f1 is None
