import builders
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from foodbench.records.base import DIGEST_LENGTH, Record, digest_of
from foodbench.records.models import ModelArtifact, WeightsUsed

SAMPLES = [
    builders.model_spec(),
    builders.variant(mode="hpa"),
    builders.experiment(),
    builders.dataset_record(),
    builders.model_artifact(),
    builders.serving_bundle(),
    builders.deployment(),
    builders.deployment_state(),
    builders.load_profile(),
    builders.load_result(),
    builders.resource_summary(),
    builders.run(),
    builders.cell_result(),
    builders.cell_result(status="failed"),
]


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_a_record_survives_json(record: Record) -> None:
    assert type(record).model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_a_record_is_frozen_and_refuses_unknown_fields(record: Record) -> None:
    first = next(iter(type(record).model_fields))
    with pytest.raises(ValidationError):
        setattr(record, first, getattr(record, first))
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        type(record).model_validate(record.model_dump() | {"unknown": 1})


@given(seed=st.integers(0, 2**31 - 1), other=st.integers(0, 2**31 - 1))
def test_digests_are_equal_exactly_where_the_inputs_are(seed: int, other: int) -> None:
    one = builders.model_spec(recipe={"seed": seed})
    two = builders.model_spec(recipe={"seed": other})
    assert (digest_of(one) == digest_of(two)) == (seed == other)
    assert len(digest_of(one)) == DIGEST_LENGTH


def test_a_digest_depends_on_every_part_and_their_order() -> None:
    spec = builders.model_spec()
    assert (
        len({digest_of(spec), digest_of(spec, "x"), digest_of("x", spec), digest_of(spec, 1), digest_of(spec, "1")})
        == 5
    )


def test_the_most_replicas_are_the_autoscalers_where_there_is_one() -> None:
    assert builders.variant(mode="single").most_replicas == 1
    assert builders.variant(mode="lb", replicas=3).most_replicas == 3
    assert builders.variant(mode="hpa").most_replicas == 5


def test_an_hpa_variant_gets_the_hpa_load() -> None:
    experiment = builders.experiment()
    assert experiment.load_for(builders.variant(mode="hpa")) is experiment.hpa_load
    assert experiment.load_for(builders.variant(mode="lb")) is experiment.load
    with pytest.raises(KeyError):
        experiment.model("unknown")


def test_infinite_numbers_are_refused() -> None:
    with pytest.raises(ValidationError, match="finite"):
        builders.siege_figures(elapsed_s=float("inf"))


@pytest.mark.parametrize(("kind", "marked"), [("imagenet", False), ("file", False), ("random", True)])
def test_random_weights_are_marked_beside_the_data(kind: str, *, marked: bool) -> None:
    model: ModelArtifact = builders.model_artifact(weights=WeightsUsed.model_validate({"kind": kind}))
    assert model.marks[0] == model.dataset.label
    assert ("random initial weights" in model.marks) == marked
