"""The image: built by a real engine, run hardened, talked to, stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders import provenance
from containers import BASE, GRACE_PERIOD_S, podman, require_base, run_container, run_registry, stored_tiny_bundle
from tiny_bundles import COLOURS, picture

from foodbench.packaging.image import build_image, find_engine, push_image
from foodbench.progress import Silent
from foodbench.records.bundles import ServingBundle
from foodbench.records.images import EngineName, ImageRef
from foodbench.store import Store

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

MOST_ABOVE_BASE_BYTES = 250 * 10**6


def build(
    bundle: ServingBundle, store: Store, engine: EngineName = "podman", options: tuple[str, ...] = ()
) -> ImageRef:
    return build_image(
        bundle,
        store,
        base=BASE,
        engine=find_engine(engine),
        provenance=provenance(),
        progress=Silent(),
        build_options=options,
    )


@pytest.fixture(scope="module")
def image_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("images") / "results")


@pytest.fixture(scope="module")
def bundle(image_store: Store) -> ServingBundle:
    return stored_tiny_bundle(image_store)


@pytest.fixture(scope="module")
def image(image_store: Store, bundle: ServingBundle, require_program: Callable[[str], str]) -> ImageRef:
    require_program("podman")
    require_base()
    return build(bundle, image_store)


@pytest.fixture
def registry(tmp_path: Path, require_program: Callable[[str], str]) -> Iterator[str]:
    with run_registry(require_program("docker-registry"), tmp_path) as address:
        yield address


def test_it_serves_hardened_and_within_its_limits(image: ImageRef) -> None:
    with run_container(image.image_id) as container:
        for name, colour in COLOURS.items():
            assert container.post("/predict", picture(colour)).json()["class"] == name
        assert container.post("/predict", b"no image").status_code == 400
        info = container.get("/info").json()
        assert (info["cpu_quota_cores"], info["workers"], info["model"]) == (1.0, 1, "tiny")
        assert info["versions"]["python"].startswith(image.base.python_version)
        status = container.python("print(open('/proc/1/status').read())")
        assert "Uid:\t10001\t10001\t10001\t10001" in status
        assert "CapBnd:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        refused = container.python(
            "import os\n"
            "for path in ('/x', '/app/x', '/bundle/x', '/home/x'):\n"
            "    try:\n        open(path, 'w')\n"
            "    except OSError as error:\n        print(os.strerror(error.errno))"
        )
        assert refused.splitlines()[:3] == ["Read-only file system"] * 3
        limit = json.loads(podman("inspect", container.name))[0]["HostConfig"]
        assert (limit["NanoCpus"], limit["Memory"]) == (10**9, 200 * 2**20)


def test_as_the_first_process_it_ends_well_within_the_grace_period(image: ImageRef) -> None:
    with run_container(image.image_id) as container:
        assert container.get("/test").json()["class"] == "Green"
        assert container.python("import os; print(open('/proc/1/cmdline').read().split(chr(0))[0])").endswith("python")
        code, duration_s = container.stop()
        # 137 would be the SIGKILL at the end of the period.
        assert code == 0
        assert duration_s < GRACE_PERIOD_S


def test_beyond_its_memory_limit_it_is_killed_not_the_machine(image: ImageRef) -> None:
    hungry = ["--entrypoint", "python", image.image_id, "-c", "b = bytearray(400 << 20); print(len(b))"]
    limits = ["--memory", "100m", "--memory-swap", "100m", "--network", "none"]
    assert podman("run", "--rm", *limits, *hungry, exit_code=137) == ""


def test_it_is_small_and_holds_no_tensorflow_and_nothing_to_install_with(image: ImageRef) -> None:
    assert image.size_bytes - image.base.size_bytes <= MOST_ABOVE_BASE_BYTES
    installed = podman("run", "--rm", "--network", "none", "--entrypoint", "python", image.image_id, "-c",
        "import importlib.metadata as m, os; print(*sorted(d.name for d in m.distributions())); print(*os.listdir('/'))")  # fmt: skip
    packages, folders = (set(line.split()) for line in installed.splitlines())
    assert {"foodbench", "numpy", "pillow", "uvicorn", "ai-edge-litert"} <= packages | {
        name.replace("_", "-") for name in packages
    }
    assert not packages & {"tensorflow", "keras", "pip", "pandas", "locust"}
    assert not folders & {"wheels", "install.py"}


def test_it_says_what_it_is(image: ImageRef, bundle: ServingBundle) -> None:
    facts = json.loads(podman("image", "inspect", image.image_id))[0]
    assert facts["Config"]["User"] == "10001:10001"
    for said in (facts["Labels"], facts["Annotations"]):
        assert said["foodbench.weights.sha256"] == bundle.weights_sha256
        assert said["foodbench.model.digest"] == bundle.model_digest
        assert said["org.opencontainers.image.version"]
        assert said["org.opencontainers.image.base.name"] == BASE
        assert said["org.opencontainers.image.created"] == bundle.provenance.created_at


def test_its_bill_of_materials_names_what_is_in_it(image: ImageRef, image_store: Store) -> None:
    document = json.loads((image_store.image_directory(image.digest) / image.sbom_file).read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    listed = {part["name"].lower().replace("_", "-"): part for part in document["components"]}
    inside = podman("run", "--rm", "--network", "none", "--entrypoint", "python", image.image_id, "-c",
        "import importlib.metadata as m; print(*(d.name.lower().replace('_', '-') + '=' + d.version"
        " for d in m.distributions(path=['/app/code', '/app/packages'])))")  # fmt: skip
    for name, _, version in (word.partition("=") for word in inside.split()):
        assert listed[name]["version"] == version
    assert len({part["bom-ref"] for part in document["components"]}) == len(document["components"])
    assert all(len(part["hashes"][0]["content"]) == 64 for part in document["components"] if part["type"] == "library")


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_built_anew_from_the_same_inputs_it_is_the_same(
    image: ImageRef,
    image_store: Store,
    bundle: ServingBundle,
    engine: EngineName,
    require_program: Callable[[str], str],
) -> None:
    require_program(engine)
    first, second = (build(bundle, image_store, engine, options) for options in ((), ("--no-cache",)))
    assert (first.image_id, first.manifest_digest) == (second.image_id, second.manifest_digest)
    if engine == "podman":
        assert first.image_id == image.image_id


def test_what_the_engine_still_has_is_not_built_again(
    image_store: Store, image: ImageRef, bundle: ServingBundle
) -> None:
    record = image_store.image_directory(image.digest) / "image.json"
    built, written_ns = zip(*((build(bundle, image_store), record.stat().st_mtime_ns) for _ in range(2)), strict=True)
    assert built[0] == built[1]
    assert written_ns[0] == written_ns[1]


def test_it_is_pushed_to_a_registry_and_comes_back(
    image: ImageRef, image_store: Store, tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "registries.conf"
    settings.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))
    pushed = push_image(image, f"{registry}/classes/tiny", image_store, engine=find_engine("podman"))
    assert image_store.find_image(image.digest) == pushed
    podman("pull", "--quiet", pushed.pushed[0])
    assert json.loads(podman("image", "inspect", pushed.pushed[0]))[0]["Id"] == image.image_id
