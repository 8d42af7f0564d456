"""The experiment file: what is right is resolved, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from foodbench.errors import InputError
from foodbench.experiment import make_variant, read_experiment
from foodbench.records.base import digest_of
from foodbench.records.experiments import Autoscaling, Experiment, Resources, Serving
from foodbench.shipped import find_experiment, shipped_directory

SMALL = """
name = "small"
[data]
label = "photographs"
path = "photos"
[[models]]
name = "a"
backbone = "MobileNetV2"
[[models]]
name = "b"
backbone = "VGG16"
[[variants]]
"""

RESOURCES = Resources(cpu_request_cores=0.25, cpu_limit_cores=0.25, memory_limit_bytes=2**29)


def read(tmp_path: Path, text: str) -> Experiment:
    file = tmp_path / "small.toml"
    file.write_text(text)
    return read_experiment(file)


def problem(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("file", sorted(shipped_directory("experiments").glob("*.toml")), ids=lambda file: file.stem)
def test_every_experiment_that_ships_can_be_read(file: Path) -> None:
    experiment = read_experiment(file)
    assert experiment.name == file.stem
    assert experiment.variants


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("sets/food11-like-64.tar", "food11-like-64"),
        ("my.photos.tar.gz", "my.photos"),
        ("folder/", "folder"),
        (None, "photos"),
    ],
)
def test_photographs_without_a_label_are_called_by_their_file(path: str | None, label: str, tmp_path: Path) -> None:
    """So that no set is shown under another one's name."""
    file = tmp_path / "small.toml"
    file.write_text(SMALL.replace('label = "photographs"\n', ""))
    assert read_experiment(file, data_path=path).data.label == label


def test_quickstart_covers_what_it_promises() -> None:
    experiment = read_experiment(find_experiment("quickstart"))
    assert experiment.data.synthetic is not None
    assert len(experiment.models) >= 2
    assert {variant.mode for variant in experiment.variants} == {"single", "lb", "hpa"}
    assert all(model.weights == "none" for model in experiment.models)


def test_an_entry_stands_for_every_combination(tmp_path: Path) -> None:
    experiment = read(tmp_path, SMALL + 'runtime = ["litert", "keras"]\nmode = ["single", "lb"]\nreplicas = 2\n')
    assert [variant.name for variant in experiment.variants] == [
        "a.litert.single", "a.litert.lb", "a.keras.single", "a.keras.lb",
        "b.litert.single", "b.litert.lb", "b.keras.single", "b.keras.lb",
    ]  # fmt: skip
    assert {variant.replicas for variant in experiment.variants if variant.mode == "lb"} == {2}


def test_a_variant_may_have_a_name_and_a_way_of_serving_of_its_own(tmp_path: Path) -> None:
    own = 'name = "lab-style"\nmodel = "a"\nserving = { readiness_path = "/test", readiness_timeout_s = 1 }\n'
    (chosen,) = read(tmp_path, SMALL + own).variants
    assert (chosen.name, chosen.model) == ("lab-style", "a")
    assert chosen.serving == Serving(readiness_path="/test", readiness_timeout_s=1)
    several = problem(tmp_path, SMALL + own + 'mode = ["single", "lb"]\n')
    assert "lab-style" in several
    assert "stands for 2" in several


def test_the_papers_experiment_has_the_reports_variants_and_loads() -> None:
    experiment = read_experiment(find_experiment("paper"))
    assert [(variant.model, variant.mode, variant.most_replicas) for variant in experiment.variants[:5]] == [
        ("vgg16", "single", 1),
        ("mobilenetv2", "single", 1),
        ("resnet101v2", "single", 1),
        ("resnet101v2", "lb", 5),
        ("resnet101v2", "hpa", 5),
    ]
    assert (experiment.load.users, experiment.load.duration_s, experiment.hpa_load.duration_s) == (10, 30, 360)
    for variant in experiment.variants:
        assert variant.most_replicas * variant.resources.cpu_limit_cores + experiment.generator_reserve_cores <= 2
    mended = {variant.name: variant for variant in experiment.variants}["lab-style-mended"]
    lab = {variant.name: variant for variant in experiment.variants}["lab-style"]
    assert lab.model_copy(update={"name": mended.name, "serving": Serving()}) == mended


def test_units_are_resolved(tmp_path: Path) -> None:
    text = SMALL + '[resources]\ncpu = "500m"\ncpu_request = 0.25\nmemory = "1Gi"\n[load]\nduration = "2m"\n'
    experiment = read(tmp_path, text)
    resources = experiment.variants[0].resources
    assert (resources.cpu_limit_cores, resources.cpu_request_cores) == (0.5, 0.25)
    assert resources.memory_limit_bytes == 2**30
    assert experiment.load.duration_s == experiment.hpa_load.duration_s == 120


def test_a_shared_recipe_is_every_models_default(tmp_path: Path) -> None:
    text = '[recipe]\nbatch_size = 8\naugmentation = "none"\n'
    experiment = read(tmp_path, SMALL.replace("[[variants]]", text + "[[variants]]"))
    assert {model.recipe.batch_size for model in experiment.models} == {8}
    assert {model.recipe.augmentation for model in experiment.models} == {None}


def test_data_from_the_command_line_takes_the_place_of_the_files(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    assert read_experiment(file, data_path="elsewhere").data.path == "elsewhere"


def test_equal_files_resolve_to_equal_digests(tmp_path: Path) -> None:
    assert digest_of(read(tmp_path, SMALL)) == digest_of(read(tmp_path, SMALL + "\n# a remark\n"))
    assert digest_of(read(tmp_path, SMALL)) != digest_of(read(tmp_path, SMALL + "[load]\nusers = 11\n"))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("colour = 1", ("variants.0.colour", "not a key")),
        ('mode = "cluster"', ("variants.0.mode.0", "'cluster'", "'single'")),
        ('runtime = "torch"', ("variants.0.runtime.0", "'torch'", "'litert'")),
        ('model = "c"', ("no model c", "a, b")),
        ("replicas = 3", ("replicas = 3", "mode lb only")),
        ('mode = "lb"\nreplicas = 1', ("nothing to balance",)),
        ('mode = "hpa"\nhpa = { min_replicas = 4, max_replicas = 2 }', ("hpa.max_replicas = 2", "min_replicas = 4")),
        ('mode = "single"\nhpa = { max_replicas = 2 }', ("mode hpa only",)),
        ("[load]\nduration = 30", ("load.duration", "30", "such as '30s'")),
        ('[load]\nduration = "30 MB"', ("load.duration", "'30 MB'", '"30s"')),
        ('[resources]\nmemory = "512MB"', ("resources.memory", "'512MB'", '"512Mi"')),
        ('[resources]\ncpu = "100m"\ncpu_request = "200m"', ("cpu_request = 0.2", "cpu = 0.1")),
        ("[load]\nusers = 0", ("users",)),
        ('[[models]]\nname = "a"\nbackbone = "VGG16"', ("two are named a",)),
        ('[[models]]\nname = "A b"\nbackbone = "VGG16"', ("models.2.name", "'A b'")),
        ('[[variants]]\nmodel = "a"', ("a.litert.single is asked for twice",)),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(tmp_path: Path, change: str, parts: tuple[str, ...]) -> None:
    message = problem(tmp_path, SMALL + change + "\n")
    for part in ("small.toml", *parts):
        assert part in message


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert "models.0.backbone is missing" in problem(tmp_path, SMALL.replace('backbone = "MobileNetV2"', ""))


def test_path_and_synthetic_exclude_each_other(tmp_path: Path) -> None:
    text = SMALL.replace('path = "photos"', 'path = "photos"\nsynthetic = { seed = 1 }')
    assert "exclude each other" in problem(tmp_path, text)


def test_what_is_not_toml_says_where(tmp_path: Path) -> None:
    assert "line 1" in problem(tmp_path, "name = \n")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    assert "larger than" in problem(tmp_path, "#" * (2**20 + 1))


def test_an_unknown_name_lists_those_that_ship() -> None:
    with pytest.raises(InputError, match="quickstart"):
        find_experiment("paper-of-mine")


def test_mode_hpa_starts_at_its_minimum() -> None:
    variant = make_variant("a", "litert", "hpa", RESOURCES, autoscaling=Autoscaling(min_replicas=2, max_replicas=4))
    assert (variant.replicas, variant.most_replicas) == (2, 4)


def test_the_defaults_of_a_mode_are_the_reports() -> None:
    variant = make_variant("a", "litert", "hpa", RESOURCES)
    assert variant.autoscaling == Autoscaling(min_replicas=1, max_replicas=5, target_cpu_percent=40)


def test_what_a_runtime_may_lose_is_the_experiments_choice(tmp_path: Path) -> None:
    assert read(tmp_path, SMALL).packaging.largest_accuracy_loss == 0.015
    stricter = SMALL + "[package]\nlargest_accuracy_loss = 0.005\n"
    assert read(tmp_path, stricter).packaging.largest_accuracy_loss == 0.005
    assert "package.largest_accuracy_loss: received 1.5" in problem(
        tmp_path, SMALL + "[package]\nlargest_accuracy_loss = 1.5\n"
    )
