"""The steps of a recipe, and what is said of each."""

from __future__ import annotations

from pathlib import Path

import builders
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis.ablation import effects, told_apart
from foodbench.errors import InputError
from foodbench.records.ablations import AblatedStep, Ablation
from foodbench.records.experiments import FineTuning, ModelSpec, Recipe
from foodbench.report.ablation import ablation_summary, write_ablation
from foodbench.report.files import summary_markdown
from foodbench.store import read_record
from foodbench.training.ablation import steps_of, without

PLAIN = Recipe(augmentation=None, early_stopping_patience_epochs=None, fine_tuning=FineTuning(epochs=0))

ANSWERS = st.tuples(st.booleans(), st.booleans())
"""Whether each of two models is right about an image."""


def found() -> Ablation:
    step = AblatedStep(
        step="Data augmentation",
        model_digest="b" * 16,
        validation_accuracy=0.80,
        accuracy=0.815,
        gained=30,
        lost=10,
        latencies_ms=(10.0, 5.0, 8.0),
    )
    return Ablation(
        model_name="mobilenetv2",
        model_digest="a" * 16,
        runtime="litert",
        marks=("Food-11",),
        images=1000,
        validation_accuracy=0.82,
        accuracy=0.835,
        latencies_ms=(11.0, 5.0, 8.0),
        steps=(step,),
        provenance=builders.provenance(cpu_model="A CPU"),
    )


def test_the_reports_recipe_has_the_reports_steps() -> None:
    assert [step.name for step in steps_of(Recipe())] == [
        "Data augmentation",
        "Early stopping",
        "Fine-tuning of the last 5 layers",
        "Reduced learning rate of fine-tuning",
    ]


def test_each_step_is_left_out_alone() -> None:
    recipe = Recipe(label_smoothing=0.1, dropout=0.2, weight_decay=1e-4)
    for step in steps_of(recipe):
        whole, left = recipe.model_dump(), step.left.model_dump()
        changed = {key for key in whole if whole[key] != left[key]}
        expected = {"augmentation", "augmentation_draws"} if step.slug == "no-augmentation" else changed
        assert len(changed) == 1 or changed <= expected
    assert len({step.slug for step in steps_of(recipe)}) == len(steps_of(recipe)) == 7


def test_a_recipe_of_nothing_has_no_steps() -> None:
    assert steps_of(PLAIN) == ()


def test_the_reduced_rate_is_no_step_where_it_is_not_reduced() -> None:
    same = Recipe(fine_tuning=FineTuning(learning_rate=1e-3))
    assert "Reduced learning rate of fine-tuning" not in {step.name for step in steps_of(same)}


def test_the_model_without_a_step_is_called_so() -> None:
    spec = ModelSpec(name="small", backbone="MobileNetV2")
    assert without(spec, steps_of(spec.recipe)[0]).name == "small.no-augmentation"
    long = ModelSpec(name="s" * 30, backbone="MobileNetV2")
    with pytest.raises(InputError, match="Give the model a shorter name"):
        without(long, steps_of(long.recipe)[0])


@given(st.integers(1, 6).flatmap(lambda digits: st.lists(ANSWERS, min_size=4 * digits, max_size=4 * digits)))
def test_images_that_tell_two_models_apart_are_counted(pairs: list[tuple[bool, bool]]) -> None:
    first, second = (
        "".join(f"{int(''.join(str(int(bit)) for bit in bits[at : at + 4]), 2):x}" for at in range(0, len(bits), 4))
        for bits in zip(*pairs, strict=True)
    )
    assert told_apart(first, second) == (
        sum(ours and not theirs for ours, theirs in pairs),
        sum(theirs and not ours for ours, theirs in pairs),
    )


@pytest.mark.parametrize("answers", [("ff", "f"), ("", "")])
def test_answers_to_other_images_are_not_compared(answers: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="not of the same images"):
        told_apart(*answers)


def test_a_steps_effect_is_paired_by_image_and_by_round() -> None:
    (effect,) = effects(found())
    assert effect.accuracy.value == pytest.approx(0.02)
    assert effect.accuracy.low > 0
    assert (effect.latency_ratio_low, effect.latency_ratio, effect.latency_ratio_high) == (1.0, 1.0, 1.1)


def test_the_table_says_what_each_step_does_and_on_what() -> None:
    text = summary_markdown(ablation_summary(found()))
    (row,) = [line for line in text.splitlines() if line.startswith("| Data augmentation")]
    for cell in ("0.8150", "+2.00", "+2.00", "8.00", "1.000", "1.000 to 1.100"):
        assert cell in row
    for said in ("1,000 evaluation images of Food-11", "litert", "3 rounds", "A CPU"):
        assert said in text


def test_an_ablation_is_written_whole_and_replaced(tmp_path: Path) -> None:
    write_ablation(found(), tmp_path / "ablation")
    directory = write_ablation(found(), tmp_path / "ablation")
    assert read_record(directory / "ablation.json", Ablation) == found()
    assert "Data augmentation" in (directory / "ablation.md").read_text()
