"""Which losses are flagged, where they show, and when integers may be recommended."""

from __future__ import annotations

import io
from typing import Any

import builders
import pytest
from rich.console import Console

from foodbench.analysis.advice import Advice, advise
from foodbench.analysis.exports import accuracy_loss, why_not_known_here
from foodbench.analysis.variants import join_variants
from foodbench.analysis.verdicts import verdicts
from foodbench.records.bundles import ServingBundle
from foodbench.records.experiments import Runtime
from foodbench.report.exports import export_rows, export_summary
from foodbench.report.files import advice_markdown, summary_markdown
from foodbench.report.summary import summarise
from foodbench.report.terminal import render_advice, render_summary


def bundle(runtime: Runtime = "litert", *, gained: int = 0, lost: int = 0, **changes: Any) -> ServingBundle:
    found = builders.fidelity(gained=gained, lost=lost, images=1000)
    values: dict[str, Any] = {"fidelity": found, "cost": builders.runtime_cost()}
    return builders.serving_bundle(runtime=runtime, **values | changes)


@pytest.mark.parametrize(
    ("gained", "lost", "flagged", "remarked"),
    [
        (0, 0, False, False),
        (30, 44, False, False),  # 1.4 points: allowed
        (100, 120, False, True),  # 2.0 points, but as many come about by chance
        (20, 49, True, True),  # 2.9 points, surely
        (49, 20, False, False),  # a gain
    ],
)
def test_a_loss_is_flagged_where_it_is_large_and_not_chance(
    gained: int, lost: int, *, flagged: bool, remarked: bool
) -> None:
    loss = accuracy_loss(bundle(gained=gained, lost=lost).fidelity)
    assert loss is not None
    assert loss.too_large is flagged
    assert bool(loss.remark) is remarked
    assert ("may be chance" in loss.remark) is (remarked and not flagged)


def test_the_margin_is_the_experiments() -> None:
    fidelity = bundle(gained=20, lost=49).fidelity
    loose = accuracy_loss(fidelity, 0.03)
    assert loose is not None
    assert not loose.too_large


def test_an_older_record_knows_no_loss() -> None:
    old = builders.serving_bundle().model_dump(mode="json")
    for name in ("gained", "lost"):
        del old["fidelity"][name]
    del old["cost"]
    read = ServingBundle.model_validate(old)
    assert accuracy_loss(read.fidelity) is None
    assert export_rows([read], [])[0]["load_ms"] is None


def ranked(*bundles: ServingBundle) -> tuple[Advice, tuple[str, str, str]]:
    """Return the advice on one variant of each bundle, and what terminal, Markdown and verdicts say."""
    cells = [
        builders.cell_result(variant=builders.variant(runtime=one.runtime), bundle_digest=one.digest) for one in bundles
    ]
    facts = join_variants([], cells, [builders.model_artifact()], bundles, host=builders.provenance())
    advice = advise(facts)
    told = verdicts(facts, advice)
    console = Console(width=200, file=io.StringIO())
    console.print(render_summary(summarise(facts, "x"), width=200), render_advice(advice))
    assert isinstance(console.file, io.StringIO)
    cons = "\n".join(con for verdict in told for con in verdict.cons)
    return advice, (console.file.getvalue(), advice_markdown(advice, told), cons)


def test_a_flagged_runtime_is_flagged_wherever_it_shows() -> None:
    flagged = bundle("litert-f16", gained=20, lost=49)
    _, texts = ranked(flagged)
    exports = export_summary([flagged], [])
    for text in (*texts, summary_markdown(exports), *exports.remarks):
        assert "2.9 points less accurate than the Keras model" in text
    assert export_rows([flagged], [])[0]["accuracy_loss_too_large"] == "YES"


def test_int8_is_not_recommended_before_it_was_measured_on_this_cpu() -> None:
    here, elsewhere = builders.provenance(), builders.provenance(cpu_features=("avx2",), cpu_model="Other CPU")
    advice, texts = ranked(bundle("litert"), bundle("litert-int8", provenance=elsewhere))
    assert {found.variant for found in advice.recommendations} == {"mobilenet-litert-single"}
    for text in texts:
        assert "measured on another CPU (Other CPU)" in text
    known, _ = ranked(bundle("litert"), bundle("litert-int8", provenance=here))
    assert known.left_out == ()


@pytest.mark.parametrize("runtime", ["litert-int8", "openvino-int8"])
def test_the_same_model_of_cpu_with_other_features_is_another(runtime: Runtime) -> None:
    host = builders.provenance()
    virtual = builders.provenance(cpu_features=(*host.cpu_features, "avx512_vnni"))
    assert why_not_known_here(runtime, bundle(runtime), host) == ""
    assert why_not_known_here(runtime, bundle(runtime), virtual)
    assert why_not_known_here(runtime, None, host)
    assert why_not_known_here("litert", None, virtual) == ""
