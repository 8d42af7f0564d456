from collections.abc import Sequence
from typing import Any

import builders
import pytest

from foodbench.analysis.advice import Advice, advise
from foodbench.analysis.cost import cost_of
from foodbench.analysis.variants import Accuracy, VariantFacts, join_variants, spread_of
from foodbench.analysis.verdicts import verdicts
from foodbench.records.models import ModelArtifact, WeightsUsed
from foodbench.records.runs import CellResult, Validity

INVALID = Validity(valid=False, cause="too few cores", fix="use more")


def report_facts() -> tuple[VariantFacts, ...]:
    cells = builders.report_cells()
    variants = [cell.variant for cell in cells]
    return join_variants(variants, cells, builders.report_models(), builders.report_bundles())


def cell(name: str, rate: float, *, mib: float = 300, repeat: int = 1, **changes: Any) -> CellResult:
    """Build a cell of one model that differs from others in rate and memory alone."""
    transactions = round(30 * rate)
    figures = builders.siege_figures(
        transactions=transactions,
        successful_transactions=transactions,
        elapsed_s=30.0,
        transactions_per_s=rate,
        response_time_s=10 / rate,
    )
    resources = builders.resource_summary(memory_total_mean_bytes=round(mib * builders.MIB))
    values: dict[str, Any] = {
        "variant": builders.variant(name=name),
        "repeat": repeat,
        "load": builders.load_result(figures=figures),
        "resources": resources,
    }
    return builders.cell_result(**values | changes)


def joined(cells: Sequence[CellResult], model: ModelArtifact | None = None) -> tuple[VariantFacts, ...]:
    model = model or builders.model_artifact()
    return join_variants([], cells, [model], [])


def chosen(advice: Advice) -> dict[str, str]:
    return {found.priority: found.variant for found in advice.recommendations}


def test_the_reports_own_numbers_give_its_own_recommendation() -> None:
    """It named MobileNetV2 for cost and ResNet101V2 with dynamic scaling for throughput."""
    advice = advise(report_facts())
    assert advice.firm
    assert advice.recommendations[0].reason.endswith("70 % less than resnet101v2-hpa")
    assert advice.recommendations[1].reason.endswith("27 % more than resnet101v2-lb")
    assert chosen(advice) == {
        "cost": "mobilenet-single",
        "throughput": "resnet101v2-hpa",
        "balance": "mobilenet-single",
    }


def test_a_variant_that_lost_its_requests_is_never_recommended() -> None:
    for wanted in (None, 0.5, 0.845):
        assert "resnet101v2-single" not in chosen(advise(report_facts(), accuracy_wanted=wanted)).values()


def test_the_accuracy_wanted_decides_who_takes_part() -> None:
    assert chosen(advise(report_facts(), accuracy_wanted=0.7))["cost"] == "previous-single"
    assert chosen(advise(report_facts(), accuracy_wanted=0.84))["cost"] == "resnet101v2-hpa"
    none = advise(report_facts(), accuracy_wanted=0.9)
    assert not none.firm
    assert none.recommendations == ()
    assert "0.9" in none.reservations[0]
    assert "0.847" in none.reservations[0]


def test_a_more_accurate_variant_with_an_overlapping_interval_is_named_as_a_doubt() -> None:
    cost = next(found for found in advise(report_facts()).recommendations if found.priority == "cost")
    assert any("the intervals overlap" in doubt for doubt in cost.doubts)


def test_one_repeat_leaves_chance_open_and_overlapping_repeats_are_told() -> None:
    once = advise(joined([cell("a", 100), cell("b", 50)]))
    assert any("measured once" in doubt for doubt in once.recommendations[0].doubts)
    twice = [cell("a", 100), cell("a", 60, repeat=2), cell("b", 90), cell("b", 59, repeat=2)]
    assert any("overlap" in doubt for doubt in advise(joined(twice)).recommendations[1].doubts)
    apart = [cell("a", 100), cell("a", 99, repeat=2), cell("b", 50), cell("b", 51, repeat=2)]
    assert advise(joined(apart)).recommendations[1].doubts == ()


def test_synthetic_data_allow_no_recommendation_but_are_ranked() -> None:
    model = builders.model_artifact(dataset=builders.dataset_record(label="synthetic 11 classes", synthetic=True))
    advice = advise(joined([cell("a", 100), cell("b", 50)], model))
    assert not advice.firm
    assert "synthetic" in advice.reservations[0]
    assert chosen(advice)["throughput"] == "a"


def test_random_weights_allow_no_recommendation() -> None:
    model = builders.model_artifact(weights=WeightsUsed(kind="random"))
    advice = advise(joined([cell("a", 100), cell("b", 50)], model))
    assert not advice.firm
    assert "random weights" in advice.reservations[0]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([], "no variant was measured"),
        ([builders.cell_result(status="failed")], "no variant was measured"),
        ([cell("a", 100, validity=INVALID), cell("b", 50, validity=INVALID)], "no variant's numbers are valid"),
        ([cell("a", 100), cell("b", 50, validity=INVALID)], "only one variant can be used"),
        (
            [cell("a", 9, load=builders.load_result(figures=builders.siege_figures(availability_percent=50.0)))],
            "answered 99 % of its requests",
        ),
    ],
)
def test_numbers_that_allow_no_recommendation_say_why(cells: list[CellResult], told: str) -> None:
    advice = advise(joined(cells))
    assert not advice.firm
    assert told in advice.reservations[0]


def test_one_invalid_repeat_makes_the_variant_invalid() -> None:
    facts = joined([cell("a", 100), cell("a", 90, repeat=2, validity=INVALID)])[0]
    assert facts.validity == INVALID
    assert len(facts.measured) == 2


def test_each_verdict_follows_from_the_numbers() -> None:
    facts = report_facts()
    told = {verdict.variant: verdict for verdict in verdicts(facts, advise(facts))}
    assert any("best memory" in text for text in told["mobilenet-single"].pros)
    assert any("accuracy 0.762" in text for text in told["previous-single"].cons)
    assert "8.58 %" in told["resnet101v2-single"].cons[0]
    assert told["resnet101v2-single"].best_use == "None under this load"
    assert any("best transaction rate" in text for text in told["resnet101v2-hpa"].pros)
    assert "highest rate" in told["resnet101v2-hpa"].best_use


def test_a_variant_beaten_in_everything_has_no_best_use() -> None:
    facts = joined([cell("a", 100, mib=100), cell("b", 50, mib=300)])
    assert verdicts(facts, advise(facts))[1].best_use == "None here: a is nowhere worse and somewhere better"


def test_a_variant_that_was_not_measured_says_so() -> None:
    facts = joined([builders.cell_result(status="failed"), cell("b", 50)])
    verdict = verdicts(facts, advise(facts))[0]
    assert verdict.cons == ("not measured: replica-1 ended with code 1 before it was ready",)


def test_cost_is_what_is_held_for_a_million_transactions() -> None:
    # 100 a second: a million take 2 h 46 min 40 s. One replica of 0.5 cores; 900 MiB.
    measured = joined([cell("a", 100, mib=900)])[0].measured[0]
    cost = cost_of(measured)
    assert cost is not None
    hours = 1e6 / 100 / 3600
    assert cost.cpu_requested_core_hours == pytest.approx(0.5 * hours)
    assert cost.memory_used_gib_hours == pytest.approx(900 / 1024 * hours)
    assert cost.core_hours == pytest.approx(0.5 * hours + 900 / 1024 * hours / 9)


def test_nothing_has_no_cost() -> None:
    nothing = builders.load_result(figures=builders.siege_figures(successful_transactions=0))
    assert cost_of(joined([cell("a", 9, load=nothing)])[0].measured[0]) is None


def test_a_spread_is_over_what_is_there() -> None:
    spread = spread_of([3.0, None, 1.0, 8.0])
    assert spread is not None
    assert (spread.median, spread.low, spread.high, spread.repeats) == (3.0, 1.0, 8.0, 3)
    assert spread_of([None]) is None


def test_intervals_that_touch_overlap() -> None:
    assert Accuracy(0.5, 0.4, 0.6).overlaps(Accuracy(0.7, 0.6, 0.8))
    assert not Accuracy(0.5, 0.4, 0.59).overlaps(Accuracy(0.7, 0.6, 0.8))


def test_a_variant_not_reached_is_invalid_and_keeps_its_place() -> None:
    first, second = builders.variant(name="a"), builders.variant(name="b")
    facts = join_variants([first, second], [cell("b", 50)], [builders.model_artifact()], [])
    assert [found.name for found in facts] == ["a", "b"]
    assert "ended before" in facts[0].validity.cause
    assert facts[0].accuracy is not None
