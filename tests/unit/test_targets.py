"""From an experiment's target and the options to the one that is meant."""

from __future__ import annotations

import pytest

from foodbench.cli.targets import choose_target
from foodbench.errors import InputError
from foodbench.records.experiments import TargetSpec

IMAGE = "registry.example.com/team/model:1"
REPOSITORY = "registry.example.com/team/model"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "cloud"}, "--target: received cloud. Choose one of local, kubernetes"),
        ({"service": "Ingress"}, "Choose one of NodePort, LoadBalancer, ClusterIP"),
        ({"image": IMAGE, "push": REPOSITORY}, "--image and --push exclude each other"),
        ({"target": "local", "context": "kind-kind"}, "--context is of target kubernetes"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        choose_target(TargetSpec(name="kubernetes"), **options)


def test_an_option_of_a_cluster_needs_the_target() -> None:
    with pytest.raises(InputError, match="Add --target kubernetes"):
        choose_target(TargetSpec(), context="kind-kind")


def test_options_take_the_place_of_what_the_experiment_says() -> None:
    file = TargetSpec(name="kubernetes", context="kind-a", namespace="team", push=REPOSITORY)
    assert choose_target(file) == file
    assert choose_target(file, context="kind-b").context == "kind-b"
    assert choose_target(file, context="kind-b").namespace == "team"
    assert choose_target(file, target="local") == TargetSpec()
    assert choose_target(file, image=IMAGE) == file.model_copy(update={"image": IMAGE, "push": None})
    by_image = file.model_copy(update={"image": IMAGE, "push": None})
    assert choose_target(by_image, push=REPOSITORY) == file
