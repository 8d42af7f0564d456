"""Packaging for real: every runtime, from one tiny trained model."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import get_args

import pytest
from tiny_training import Heard, draw_dataset, tiny_recipe, tiny_spec

from foodbench.data import Dataset, load_arrays
from foodbench.errors import InputError, MachineError, RunFailed
from foodbench.packaging import package
from foodbench.progress import Silent
from foodbench.records.bundles import ServingBundle
from foodbench.records.experiments import HeadTraining, Runtime
from foodbench.records.models import ModelArtifact
from foodbench.serving.bundle import read_manifest
from foodbench.serving.runtimes import create_runtime
from foodbench.store import Store
from foodbench.training import train

pytestmark = [pytest.mark.tensorflow, pytest.mark.processes]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Dataset, ModelArtifact]:
    """A store with one trained model."""
    store = Store(tmp_path_factory.mktemp("packaging"))
    dataset = draw_dataset(store)
    spec = tiny_spec(recipe=tiny_recipe(head=HeadTraining(epochs=3)))
    return store, dataset, train(spec, dataset, store, weights_directory=None, progress=Silent())


@pytest.fixture
def own_store(made: tuple[Store, Dataset, ModelArtifact], tmp_path: Path) -> Store:
    """The same store, for one test alone."""
    shutil.copytree(made[0].root, tmp_path / "own")
    return Store(tmp_path / "own")


def packaged(made: tuple[Store, Dataset, ModelArtifact], runtime: Runtime) -> tuple[Path, ServingBundle]:
    store, dataset, artifact = made
    bundle = package(artifact, runtime, dataset, store, progress=Silent())
    return store.bundle_directory(bundle.digest), bundle


def check_cost(bundle: ServingBundle) -> None:
    cost = bundle.cost
    assert cost is not None
    assert bundle.latency_ms > 0
    assert cost.latency_threads_ms > 0
    assert cost.load_ms > bundle.latency_ms  # it ends with a prediction
    assert cost.threads == bundle.provenance.cpu_cores
    # A Python process with numpy and Pillow has at least 20 MiB, and the model comes on top of its library.
    assert 20 * 2**20 < cost.memory_imported_bytes < cost.memory_loaded_bytes < 4 * 2**30


@pytest.mark.parametrize("runtime", get_args(Runtime))
def test_a_bundle_is_whole_and_served_with_the_fidelity_it_states(
    made: tuple[Store, Dataset, ModelArtifact], runtime: Runtime
) -> None:
    directory, bundle = packaged(made, runtime)
    manifest = read_manifest(directory)
    assert manifest.classes == made[1].record.classes
    assert (manifest.input_size_px, manifest.scaling) == (32, "minus-one-to-one")
    assert manifest.marks == ("synthetic images", "random initial weights")
    first = made[1].files["evaluation"][0].path
    assert (directory / manifest.test_image_file).read_bytes() == first.read_bytes()
    assert bundle.disk_bytes == sum(path.stat().st_size for path in directory.iterdir() if path.name != "bundle.json")
    check_cost(bundle)
    pixels, labels = load_arrays(made[1], "evaluation", 32)
    answers = create_runtime(manifest, directory, 1).predict(pixels)
    assert bundle.fidelity.images == len(labels)
    assert (answers.argmax(axis=1) == labels).mean() == pytest.approx(bundle.fidelity.accuracy)


@pytest.mark.parametrize("runtime", ["keras", "litert", "openvino-f32", "onnx"])
def test_float32_answers_as_keras_does(made: tuple[Store, Dataset, ModelArtifact], runtime: Runtime) -> None:
    _, bundle = packaged(made, runtime)
    assert bundle.fidelity.agreement == 1
    assert bundle.fidelity.largest_probability_difference < 1e-4
    assert bundle.fidelity.accuracy == made[2].evaluation.accuracy


@pytest.mark.parametrize(
    ("runtime", "precision"),
    [
        ("keras", "float32"),
        ("litert", "float32"),
        ("litert-f16", "float32, weights float16"),
        ("litert-int8", "int8"),
        ("openvino-f32", "float32"),
        ("openvino-int8", "int8"),
        ("onnx", "float32"),
    ],
)
def test_the_precision_is_the_one_the_runtime_says_it_computes_in(
    made: tuple[Store, Dataset, ModelArtifact], runtime: Runtime, precision: str
) -> None:
    assert packaged(made, runtime)[1].precision == precision


def test_openvino_says_whether_this_cpu_computes_in_bfloat16(made: tuple[Store, Dataset, ModelArtifact]) -> None:
    _, bundle = packaged(made, "openvino-bf16")
    has_it = {"avx512_bf16", "amx_bf16", "bf16"} & set(bundle.provenance.cpu_features)
    assert bundle.precision == ("bfloat16" if has_it else "float32")


@pytest.mark.parametrize(("runtime", "package_name"), [("openvino-f32", "openvino"), ("onnx", "tf2onnx")])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    made: tuple[Store, Dataset, ModelArtifact],
    own_store: Store,
    monkeypatch: pytest.MonkeyPatch,
    runtime: Runtime,
    package_name: str,
) -> None:
    monkeypatch.setitem(sys.modules, package_name, None)
    artifact = made[2].model_copy(update={"keras_file_sha256": "0" * 64})
    with pytest.raises(MachineError, match=rf"{package_name}.*foodbench\[{runtime.partition('-')[0]}\]"):
        package(artifact, runtime, made[1], own_store, progress=Silent())


def test_int8_is_integers_throughout_and_a_fraction_of_the_size(made: tuple[Store, Dataset, ModelArtifact]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    directory, bundle = packaged(made, "litert-int8")
    _, real = packaged(made, "litert")
    interpreter = Interpreter(model_path=str(directory / bundle.weights_file))
    tensors = interpreter.get_tensor_details()
    assert not [tensor["name"] for tensor in tensors if tensor["dtype"].__name__.startswith("float")]
    assert max(len(tensor["quantization_parameters"]["scales"]) for tensor in tensors) > 1
    assert bundle.weights_bytes < real.weights_bytes / 2


def test_what_the_store_has_is_not_packaged_again(made: tuple[Store, Dataset, ModelArtifact]) -> None:
    _, bundle = packaged(made, "litert")
    progress = Heard()
    assert package(made[2], "litert", made[1], made[0], progress=progress) == bundle
    assert progress.lines == []


def test_another_data_set_is_refused(made: tuple[Store, Dataset, ModelArtifact], own_store: Store) -> None:
    with pytest.raises(InputError, match="trained on another data set"):
        package(made[2], "litert", draw_dataset(own_store, seed=8), own_store, progress=Silent())


def test_a_damaged_model_leaves_no_bundle(made: tuple[Store, Dataset, ModelArtifact], own_store: Store) -> None:
    artifact = made[2].model_copy(update={"keras_file_sha256": "0" * 64})
    path = own_store.model_directory(artifact.digest) / artifact.keras_file
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RunFailed, match="Keras cannot read"):
        package(artifact, "litert", made[1], own_store, progress=Silent())
    assert list((own_store.root / "_bundles").glob(f"*{artifact.digest}*")) == []
