"""The manifests: valid for every Kubernetes supported, restricted, one selector, and filled in from a deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import kubernetes_validate
import pytest
import yaml
from builders import deployment, resources, serving_bundle, variant
from hypothesis import given, settings
from hypothesis import strategies as st

from foodbench.deploy.kubernetes.manifests import object_name, render, selector_of
from foodbench.deploy.kubernetes.overlays import Document, read_overlay
from foodbench.deploy.kubernetes.states import POD_PORT
from foodbench.deploy.kubernetes.yaml_text import to_yaml
from foodbench.errors import InputError
from foodbench.packaging.image.containerfile import BUNDLE_DIRECTORY, PORT, USER_ID
from foodbench.packaging.image.stage import image_name
from foodbench.quantities import parse_bytes, parse_cores
from foodbench.records.experiments import Autoscaling, Mode, Serving
from foodbench.serving.__main__ import _parser

MODES: tuple[Mode, ...] = get_args(Mode)
VERSIONS = [f"1.{minor}" for minor in range(27, 38)]
IMAGE = "registry.example.com:5000/team/food-model:1.0"


def rendered(mode: Mode, **changes: Any) -> tuple[Document, ...]:
    return render(deployment(id=f"{mode}-1a2b3c4d", variant=variant(mode=mode)), image=IMAGE, **changes)


def only(documents: tuple[Document, ...], kind: str) -> Document:
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    chosen: Mode = request.param
    return chosen


@pytest.fixture(params=["shipped", "rendered"])
def documents(request: pytest.FixtureRequest, mode: Mode) -> tuple[Document, ...]:
    return read_overlay(mode) if request.param == "shipped" else rendered(mode)


def selectors(documents: tuple[Document, ...]) -> Iterator[dict[str, str]]:
    """Yield every label selector there is."""
    for document in documents:
        spec = document.get("spec", {})
        match document["kind"]:
            case "Service":
                yield spec["selector"]
            case "NetworkPolicy":
                yield spec["podSelector"]["matchLabels"]
            case "PodDisruptionBudget":
                yield spec["selector"]["matchLabels"]
            case "Deployment":
                yield spec["selector"]["matchLabels"]
                for constraint in spec["template"]["spec"]["topologySpreadConstraints"]:
                    yield constraint["labelSelector"]["matchLabels"]


@pytest.mark.parametrize("version", VERSIONS)
def test_valid_for_every_version(version: str, documents: tuple[Document, ...]) -> None:
    for document in documents:
        assert kubernetes_validate.validate(document, version, strict=True) == version


def test_the_validation_would_notice(mode: Mode) -> None:
    service = only(rendered(mode), "Service")
    service["spec"]["tpye"] = service["spec"].pop("type")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, VERSIONS[-1], strict=True)


def test_which_objects_each_mode_has() -> None:
    common = ["Namespace", "NetworkPolicy", "Service", "Deployment"]
    extra = {"single": [], "lb": ["PodDisruptionBudget"], "hpa": ["PodDisruptionBudget", "HorizontalPodAutoscaler"]}
    for mode in MODES:
        assert [document["kind"] for document in rendered(mode)] == common + extra[mode]


def test_restricted_pod_security_standard(documents: tuple[Document, ...]) -> None:
    """The controls of the restricted profile, baseline's included, as its documentation lists them."""
    pod = only(documents, "Deployment")["spec"]["template"]["spec"]
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "ephemeralContainers"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "sysctls" not in pod["securityContext"]
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    for volume in pod["volumes"]:
        assert volume.keys() - {"name"} <= allowed
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not context.keys() & {"privileged", "procMount", "runAsUser", "runAsNonRoot", "seccompProfile"}
        assert all("hostPort" not in port for port in container["ports"])
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False


def test_one_selector_for_everything(documents: tuple[Document, ...]) -> None:
    found = list(selectors(documents))
    assert len(found) >= 4
    assert all(selector == found[0] for selector in found)
    pods = only(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert found[0].items() <= pods.items()
    for document in documents:
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "foodbench"
        if document["kind"] != "Namespace":
            assert found[0].items() <= labels.items()
            assert labels["app.kubernetes.io/component"] == "model-service"


def test_probes_run_no_prediction_and_leave_time_to_load(documents: tuple[Document, ...]) -> None:
    spec = only(documents, "Deployment")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
    assert {container[f"{kind}Probe"]["httpGet"]["port"] for kind in paths} == {container["ports"][0]["name"]}
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] < spec["progressDeadlineSeconds"]


def test_readiness_and_the_queue_are_as_the_variant_says() -> None:
    (shipped,) = only(read_overlay("single"), "Deployment")["spec"]["template"]["spec"]["containers"]
    (usual,) = only(rendered("single"), "Deployment")["spec"]["template"]["spec"]["containers"]
    # What a variant says by default is what the shipped files say.
    assert usual["readinessProbe"] == shipped["readinessProbe"]
    assert usual["args"] == shipped["args"]
    serving = Serving(
        readiness_path="/test",
        readiness_period_s=5,
        readiness_timeout_s=1,
        readiness_failure_threshold=4,
        queue_capacity=0,
    )
    intent = deployment(id="single-1a2b3c4d", variant=variant(serving=serving))
    (container,) = only(render(intent, image=IMAGE), "Deployment")["spec"]["template"]["spec"]["containers"]
    probe = container["readinessProbe"]
    assert probe["httpGet"]["path"] == "/test"
    assert (probe["periodSeconds"], probe["timeoutSeconds"], probe["failureThreshold"]) == (5, 1, 4)
    assert _parser().parse_args(container["args"]).queue_capacity == 0
    assert container["startupProbe"] == shipped["startupProbe"]


def test_pods_wait_for_their_endpoints_to_settle_and_have_time_to_finish(documents: tuple[Document, ...]) -> None:
    pod = only(documents, "Deployment")["spec"]["template"]["spec"]
    hook = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    service = _parser().parse_args(pod["containers"][0]["args"])
    assert hook[0] == "sleep"
    serves_on_s = int(hook[1]) + service.drain_s + service.linger_s
    assert pod["terminationGracePeriodSeconds"] > serves_on_s + service.deadline_s


def test_the_container_runs_the_service_as_it_wants_to_be_run(documents: tuple[Document, ...]) -> None:
    (container,) = only(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "foodbench.serving"]
    service = _parser().parse_args(container["args"])
    assert service.port == container["ports"][0]["containerPort"] == POD_PORT
    assert service.host == "0.0.0.0"


def test_the_manifests_fit_the_image_that_foodbench_builds(documents: tuple[Document, ...]) -> None:
    pod = only(documents, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == USER_ID
    assert pod["containers"][0]["ports"][0]["containerPort"] == PORT
    assert str(_parser().parse_args(pod["containers"][0]["args"]).bundle) == BUNDLE_DIRECTORY
    bundle = serving_bundle()
    assert render(deployment(), image=image_name(bundle.model_name, bundle.runtime, bundle.digest))


def test_replicas_belong_to_the_autoscaler_where_there_is_one(mode: Mode, documents: tuple[Document, ...]) -> None:
    assert ("replicas" in only(documents, "Deployment")["spec"]) == (mode != "hpa")


def test_the_autoscaler_and_the_service_point_at_the_deployment(documents: tuple[Document, ...]) -> None:
    workload = only(documents, "Deployment")
    (port,) = only(documents, "Service")["spec"]["ports"]
    assert port["targetPort"] == workload["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"]
    for scaler in (document for document in documents if document["kind"] == "HorizontalPodAutoscaler"):
        assert scaler["spec"]["scaleTargetRef"] == {
            "apiVersion": workload["apiVersion"],
            "kind": "Deployment",
            "name": workload["metadata"]["name"],
        }


def test_everything_is_filled_in(mode: Mode) -> None:
    asked = resources(cpu_request_cores=0.25, cpu_limit_cores=1.5, memory_limit_bytes=300 * 2**20)
    chosen = variant(mode=mode, replicas=3 if mode == "lb" else 1, resources=asked)
    record = deployment(id=f"{mode}-1a2b3c4d", variant=chosen)
    documents = render(record, image=IMAGE, namespace="team-a")
    assert {document["metadata"]["name"] for document in documents} == {f"foodbench-{mode}-1a2b3c4d"}
    assert {document["metadata"]["namespace"] for document in documents} == {"team-a"}
    workload = only(documents, "Deployment")
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
    assert container["resources"] == {
        "requests": {"cpu": "250m", "memory": "300Mi"},
        "limits": {"cpu": "1500m", "memory": "300Mi"},
    }
    assert workload["spec"].get("replicas") == {"single": 1, "lb": 3, "hpa": None}[mode]
    assert workload["metadata"]["labels"]["foodbench/mode"] == mode
    assert workload["metadata"]["annotations"]["foodbench/bundle-digest"] == record.bundle_digest
    asked_for = dict(part.split("=") for part in selector_of(record.id).split(","))
    assert all(asked_for.items() <= document["metadata"]["labels"].items() for document in documents)


def test_the_autoscaler_has_the_bounds_and_the_target() -> None:
    bounds = Autoscaling(min_replicas=2, max_replicas=7, target_cpu_percent=65)
    chosen = variant(mode="hpa", replicas=2, autoscaling=bounds)
    spec = only(render(deployment(variant=chosen), image=IMAGE), "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 7)
    assert spec["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 65}


def test_a_target_that_kubernetes_cannot_express_is_refused() -> None:
    chosen = variant(mode="hpa", autoscaling=Autoscaling(target_cpu_percent=42.5))
    with pytest.raises(InputError, match=r"42\.5 % is not whole"):
        render(deployment(variant=chosen), image=IMAGE)


def test_only_foodbenchs_own_namespace_is_made() -> None:
    assert [d["kind"] for d in rendered("single")].count("Namespace") == 1
    assert [d["kind"] for d in rendered("single", namespace="default")].count("Namespace") == 0


def test_rendering_leaves_no_trace() -> None:
    first = to_yaml(rendered("hpa"))
    rendered("hpa", namespace="elsewhere")
    assert to_yaml(rendered("hpa")) == first


@pytest.mark.parametrize("image", ["", "Foodbench/Food Model:1", "a b", "a:", "a:1:2", "UPPER", "a@sha256:12", "a\nb"])
def test_a_malformed_image_name_is_refused(image: str) -> None:
    with pytest.raises(InputError, match="not an image's name"):
        render(deployment(), image=image)


@pytest.mark.parametrize(
    "image",
    ["a", "a:1", "localhost:5000/a/b:Tag-1", "ghcr.io/x/y_z@sha256:" + "0" * 64, "docker.io/library/python:3.13"],
)
def test_image_names_of_every_shape_are_taken(image: str) -> None:
    assert (
        only(render(deployment(), image=image), "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
        == image
    )


@pytest.mark.parametrize("namespace", ["", "Upper", "a_b", "-a", "a" * 64, "a.b"])
def test_a_malformed_namespace_is_refused(namespace: str) -> None:
    with pytest.raises(InputError, match="not a namespace's name"):
        render(deployment(), image=IMAGE, namespace=namespace)


@pytest.mark.parametrize("deployment_id", ["Upper", "a/b", "a" * 60, "a b", "a-"])
def test_an_id_that_cannot_be_a_name_is_refused(deployment_id: str) -> None:
    with pytest.raises(InputError, match="cannot name a Kubernetes object"):
        object_name(deployment_id)


@settings(deadline=None, max_examples=30)  # each example reads the files anew
@given(cores=st.floats(0.0001, 512), memory_bytes=st.integers(2**20, 2**42))
def test_resources_are_never_rounded_down(cores: float, memory_bytes: int) -> None:
    asked = resources(cpu_request_cores=cores, cpu_limit_cores=cores, memory_limit_bytes=memory_bytes)
    (container,) = only(render(deployment(variant=variant(resources=asked)), image=IMAGE), "Deployment")["spec"][
        "template"
    ]["spec"]["containers"]
    written = container["resources"]["limits"]
    assert cores - 1e-6 <= parse_cores(written["cpu"]) < cores + 0.0011
    memory = written["memory"]
    assert (int(memory) if memory.isdigit() else parse_bytes(memory)) == memory_bytes


leaves = st.none() | st.booleans() | st.integers() | st.text("ayn01eE.:-_~'\"#{} é", max_size=8)
nested = leaves | st.lists(leaves, max_size=3) | st.dictionaries(st.text("abc-/", min_size=1, max_size=4), leaves)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text("abcxyz", min_size=1, max_size=4), nested, max_size=4), min_size=1, max_size=3))
def test_yaml_reads_back_as_it_was_written(documents: list[dict[str, Any]]) -> None:
    assert list(yaml.safe_load_all(to_yaml(documents))) == documents


@pytest.mark.parametrize("text", ["1234e567", "0x1f", "1_000", "12:30:45", "no", "y", "~", "null", ".inf", "0o17", ""])
def test_text_that_some_reader_takes_for_a_number_is_quoted(text: str) -> None:
    assert to_yaml([{"key": text}]) == f"---\nkey: {json.dumps(text)}\n"


def test_a_kustomization_that_says_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "kustomization.yaml").write_text("resources: []\nnamePrefix: my-\n")
    with pytest.raises(InputError, match="namePrefix"):
        read_overlay("single", tmp_path)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "single").mkdir()
    with pytest.raises(InputError, match=r"kustomization\.yaml cannot be read"):
        read_overlay("single", tmp_path)
    (tmp_path / "single" / "kustomization.yaml").write_text("resources: [")
    with pytest.raises(InputError, match="is not YAML"):
        read_overlay("single", tmp_path)
    (tmp_path / "single" / "kustomization.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match="is no object"):
        read_overlay("single", tmp_path)
