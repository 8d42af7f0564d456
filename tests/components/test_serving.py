"""The service as a process: what it answers, what it refuses, how it starts and ends."""

from __future__ import annotations

import io
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from serving_process import DEADLINE_S, ServiceProcess, received_to_the_end, serving, until
from tiny_bundles import COLOURS, make_bundle, picture

pytestmark = pytest.mark.processes

SLOW_IMAGE = (3000, 3000)
"""A PNG of this size takes a tenth of a second or more to decode."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bundle")
    make_bundle(directory)
    return directory


@pytest.fixture(scope="module")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("slow")
    make_bundle(directory, test_image=picture((10, 240, 10), SLOW_IMAGE))
    return directory


@pytest.fixture(scope="module")
def service(bundle: Path) -> Iterator[ServiceProcess]:
    with serving(bundle, "--threads", "2") as running:
        yield running


@contextmanager
def requests_under_way(service: ServiceProcess, count: int) -> Iterator[list[socket.socket]]:
    """Hold ``count`` connections on which /test was asked for and admitted."""
    connections = [service.connect() for _ in range(count)]
    try:
        for connection in connections:
            connection.sendall(b"GET /test HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        until(lambda: service.metric("foodbench_requests_in_flight") == count)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def fits(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether a JSON value is what a schema describes, as far as this document's schemas go."""
    if "$ref" in schema:
        return fits(value, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document)
    kinds = schema.get("type", [])
    python_types = {"string": str, "integer": int, "number": int | float, "boolean": bool, "null": type(None), "array": list, "object": dict}  # fmt: skip
    right = not kinds or any(
        isinstance(value, python_types[kind]) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    )
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        right &= set(schema.get("required", [])) <= set(value)
        right &= others is not False or set(value) <= set(properties)
        default = others if isinstance(others, dict) else {}
        right &= all(fits(item, properties.get(name, default), document) for name, item in value.items())
    if isinstance(value, list):
        right &= schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        right &= all(fits(item, schema.get("items", {}), document) for item in value)
    if isinstance(value, str):
        right &= re.search(schema.get("pattern", ""), value) is not None and value in schema.get("enum", [value])
    if isinstance(value, int | float):
        right &= schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return right


@pytest.mark.parametrize("runtime", ["litert", "litert-int8"])
def test_each_colour_is_recognised_however_it_is_sent(tmp_path: Path, runtime: str) -> None:
    make_bundle(tmp_path, runtime=runtime)
    with serving(tmp_path) as service:
        for class_id, (name, colour) in enumerate(COLOURS.items()):
            for image_format in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
                image = picture(colour, image_format=image_format)
                form = httpx.post(f"{service.url}/predict", files={"file": ("photo", image)}, timeout=DEADLINE_S).json()
                raw = service.post("/predict", image).json()
                for answer in (form, raw):
                    assert (answer["class"], answer["class_id"]) == (name, class_id), image_format
                    assert answer["top_five"][0]["probability"] == answer["probability"] > 0.5
                    assert len(answer["top_five"]) == 5
        assert service.get("/info").json()["precision"] == {"litert": "float32", "litert-int8": "int8"}[runtime]


def test_the_test_image_is_decoded_and_computed_at_each_request(service: ServiceProcess) -> None:
    def stages() -> list[float]:
        names = ("queue", "decode", "inference")
        return [service.metric(f'foodbench_stage_duration_seconds_count{{stage="{name}"}}') for name in names]

    before = stages()
    answers = [service.get("/test"), service.post("/test", b"ignored"), service.post("/test", b"")]
    assert [answer.json()["class"] for answer in answers] == ["Green"] * 3
    assert all(answer.json()["timings_ms"]["decode"] > 0 for answer in answers)
    assert stages() == [count + 3 for count in before]


def test_what_it_says_is_what_its_document_says(service: ServiceProcess) -> None:
    document = service.get("/openapi.json").json()
    answers = [
        ("get", "/test", service.get("/test")),
        ("post", "/test", service.post("/test", b"")),
        ("post", "/predict", service.post("/predict", picture((1, 2, 3)))),
        ("post", "/predict", service.post("/predict", b"no image")),
        ("get", "/livez", service.get("/livez")),
        ("get", "/readyz", service.get("/readyz")),
        ("get", "/info", service.get("/info")),
        ("get", "/metrics", service.get("/metrics")),
        ("get", "/", service.get("/")),
    ]
    for method, path, answer in answers:
        content = document["paths"][path][method]["responses"][str(answer.status_code)]["content"]
        media_type = answer.headers["content-type"].split(";")[0]
        value = answer.json() if media_type == "application/json" else answer.text
        assert fits(value, content[media_type]["schema"], document), (path, value)


def test_info_tells_what_computes(service: ServiceProcess, bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    info = service.get("/info").json()
    assert info["weights_sha256"] == manifest["weights_sha256"]
    assert (info["model"], info["runtime"], info["marks"]) == ("tiny", "litert", ["made for tests"])
    assert (info["workers"], info["threads_per_worker"], info["threads"]) == (2, 1, 2)
    assert 0 < info["cpu_cores"] <= info["cpu_affinity_cores"]
    assert {"python", "litert", "numpy", "pillow"} <= set(info["versions"])


def test_threads_are_shared_out_to_the_workers(bundle: Path) -> None:
    with serving(bundle, "--threads", "4", "--workers", "2") as service:
        info = service.get("/info").json()
    assert (info["workers"], info["threads_per_worker"], info["threads"]) == (2, 2, 4)


def test_the_process_is_measured(service: ServiceProcess) -> None:
    assert service.metric("process_resident_memory_bytes") > 1e7
    assert service.metric("process_cpu_seconds_total") > 0


def assert_connections_are_counted_once(service: ServiceProcess) -> None:
    before = service.metric("foodbench_connections_total")
    kept = b"GET /test HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = service.exchange(kept * 2 + kept.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    service.get("/readyz")
    assert service.metric("foodbench_connections_total") == before + 1


def test_a_connection_counts_once_and_a_probes_does_not(service: ServiceProcess) -> None:
    assert_connections_are_counted_once(service)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_a_full_queue_sheds_and_serves_the_rest(slow_bundle: Path, connection: str) -> None:
    """With the last request on its connection it takes a shorter way; what clients and counters see is the same."""
    with serving(slow_bundle, "--threads", "1", "--queue-capacity", "2") as service:
        url, headers = service.url + "/test?n=1", {"connection": connection}
        with ThreadPoolExecutor(16) as users:
            answers = list(users.map(lambda _: httpx.get(url, headers=headers, timeout=30), range(16)))
        shed = [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} == {200, 503}
        assert {answer.headers["retry-after"] for answer in shed} == {"1"}
        assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
        assert {answer.json()["error"] for answer in shed} == {"too many requests wait already"}
        assert {answer.headers.get("connection") for answer in shed} == ({"close"} if connection == "close" else {None})
        assert service.metric("foodbench_connections_total") == 16
        assert service.metric('foodbench_requests_total{outcome="shed",route="test"}') == len(shed)
        assert service.metric('foodbench_requests_total{outcome="ok",route="test"}') == 16 - len(shed)
        assert service.metric('foodbench_requests_total{outcome="error",route="test"}') == 0


def test_ten_closed_loop_users_of_one_slow_replica_are_not_shed(slow_bundle: Path) -> None:
    with serving(slow_bundle, "--threads", "1") as service, ThreadPoolExecutor(10) as users:
        assert {answer.status_code for answer in users.map(lambda _: service.get("/test"), range(20))} == {200}


def test_probes_are_answered_while_every_worker_is_busy(slow_bundle: Path) -> None:
    with serving(slow_bundle, "--threads", "1") as service, requests_under_way(service, 10):
        assert service.get("/readyz").status_code == service.get("/livez").status_code == 200
        # It did not wait its turn: the ten are still there.
        assert service.metric("foodbench_queue_depth") >= 1


def test_requests_whose_clients_have_gone_are_not_computed(slow_bundle: Path) -> None:
    with serving(slow_bundle, "--threads", "1") as service:
        computed = 'foodbench_stage_duration_seconds_count{stage="inference"}'
        with requests_under_way(service, 12) as connections:
            for leaver in connections[5:]:
                leaver.close()
            until(lambda: service.metric('foodbench_requests_total{outcome="client-gone",route="test"}') == 7)
            for stayer in connections[:5]:
                assert received_to_the_end(stayer).startswith(b"HTTP/1.1 200 ")
        assert service.metric(computed) == 5
        assert service.metric("foodbench_requests_in_flight") == 0


def test_sigterm_answers_all_that_was_accepted(slow_bundle: Path) -> None:
    with serving(slow_bundle, "--threads", "1") as service:
        with requests_under_way(service, 8) as connections:
            service.terminate()
            answers = [received_to_the_end(connection) for connection in connections]
        assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
        assert service.exit_code() == 0


def test_while_it_drains_it_is_unready_and_serves_on(bundle: Path) -> None:
    with serving(bundle, "--drain-s", "3600") as service, httpx.Client(base_url=service.url) as kept:
        assert "connection" not in kept.get("/test").headers
        service.terminate()
        until(lambda: service.get("/readyz").status_code == 503)
        assert service.get("/livez").status_code == 200
        last = kept.get("/test")
        assert (last.status_code, last.headers["connection"]) == (200, "close")
        # A second signal ends the wait.
        service.terminate()
        assert service.exit_code() == 0


def test_sigterm_under_load_loses_nothing_behind_a_load_balancer(bundle: Path) -> None:
    """Users stop coming once the probe has seen the replica unready, as behind a Service."""
    with serving(bundle, "--drain-s", "1") as service:
        unready, loaded = threading.Event(), threading.Event()

        def user(number: int) -> list[int]:
            statuses = []
            while not unready.is_set():
                statuses.append(service.get("/test").status_code)
                if number == 0 and len(statuses) == 20:
                    loaded.set()
            return statuses

        with ThreadPoolExecutor(6) as pool:
            users = [pool.submit(user, number) for number in range(6)]
            try:
                assert loaded.wait(DEADLINE_S)
                service.terminate()
                until(lambda: service.get("/readyz").status_code == 503)
            finally:
                unready.set()
            statuses = [status for each in users for status in each.result()]
        assert len(statuses) > 20
        assert set(statuses) == {200}
        assert service.exit_code() == 0


def test_an_interrupt_ends_it_with_130(bundle: Path) -> None:
    with serving(bundle, "--drain-s", "3600") as service:
        service.process.send_signal(2)
        assert service.exit_code() == 130


def test_an_oversize_body_is_refused(bundle: Path) -> None:
    with serving(bundle, "--most-body-bytes", "100000") as service:
        refused = service.post("/predict", b"\xff" * 3_000_000)
        assert (refused.status_code, refused.json()) == (413, {"error": "the body is too large"})
        asked_first = b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999999\r\n\r\n"
        assert service.exchange(asked_first).startswith(b"HTTP/1.1 413 ")
        assert service.post("/predict", picture((9, 9, 9))).status_code == 200


def test_a_decompression_bomb_is_refused(service: ServiceProcess) -> None:
    file = io.BytesIO()
    Image.new("1", (40_000, 40_000)).save(file, "PNG")
    refused = service.post("/predict", file.getvalue())
    assert refused.status_code == 413
    assert "pixels" in refused.json()["error"]


@pytest.mark.parametrize(
    "slow_request",
    [
        b"",
        b"GET /test HTTP/1.1\r\nHost: x\r\nX-Unfinished: ",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome",
        b"POST /test HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsome",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /test HTTP/1.1\r\nUnfinished: ",
    ],
)
def test_a_slow_client_is_cut_off_and_holds_no_worker(bundle: Path, slow_request: bytes) -> None:
    with serving(bundle, "--threads", "1", "--read-timeout-s", "0.3") as service, closing(service.connect()) as slow:
        slow.sendall(slow_request)
        assert service.get("/test").status_code == 200
        assert b"HTTP/1.1 408 " in received_to_the_end(slow)


def test_headers_without_end_are_cut_off(service: ServiceProcess) -> None:
    with closing(service.connect()) as connection:
        connection.sendall(b"GET /test HTTP/1.1\r\nHost: x\r\n" + b"X-Long: " + b"a" * 40_000)
        assert received_to_the_end(connection).startswith(b"HTTP/1.1 431 ")


def test_a_next_head_without_end_cannot_grow_behind_a_request_under_way(slow_bundle: Path) -> None:
    with serving(slow_bundle, "--threads", "1") as service, closing(service.connect()) as connection:
        whole, endless = b"GET /test HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /test HTTP/1.1\r\nX-Long: "
        connection.sendall(whole + endless + b"a" * 300_000)
        # The request that came whole is answered; of the other nothing is kept.
        assert re.findall(rb"HTTP/1.1 (\d+)", received_to_the_end(connection)) == [b"200"]


def test_a_body_nobody_reads_does_not_spoil_the_next_request(service: ServiceProcess) -> None:
    body = b"x" * 200_000
    request = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    answers = service.exchange(request + b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"404", b"200"]


def test_it_serves_within_the_same_limits_without_the_faster_packages(bundle: Path) -> None:
    options = ("--read-timeout-s", "0.3", "--most-body-bytes", "100000")
    with serving(bundle, *options, without=("httptools", "uvloop")) as service:
        assert service.get("/test").json()["class"] == "Green"
        assert_connections_are_counted_once(service)
        assert service.post("/predict", b"x" * 200_000).status_code == 413
        assert service.post("/nothing", b"x" * 200_000).status_code == 404
        for unfinished in (b"", b"GET /test HTTP/1.1\r\nX: ", b"POST /predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n"):
            with closing(service.connect()) as slow:
                slow.sendall(unfinished)
                assert received_to_the_end(slow).startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))
        service.terminate()
        assert service.exit_code() == 0


def started_in_vain(*arguments: str) -> tuple[int, str]:
    """Return the exit code and the one line said by a service that cannot start."""
    command = [sys.executable, "-m", "foodbench.serving", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    said = [line for line in done.stderr.splitlines() if not line.startswith("INFO: ")]
    assert len(said) == 1, done.stderr
    assert done.stdout == ""
    return done.returncode, said[0]


def test_weights_with_a_wrong_checksum_are_refused_at_the_start(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    with (tmp_path / "model.tflite").open("ab") as file:
        file.write(b"\0")
    code, line = started_in_vain("--bundle", str(tmp_path), "--port", "0")
    assert code == 6
    assert "SHA-256" in line


@pytest.mark.parametrize("weights", [b"", b"no model at all"])
def test_weights_that_are_no_model_are_refused_at_the_start(tmp_path: Path, weights: bytes) -> None:
    make_bundle(tmp_path, weights=weights)
    code, line = started_in_vain("--bundle", str(tmp_path), "--port", "0")
    assert code == 6
    assert "model.tflite" in line


def test_a_folder_that_is_no_bundle_is_refused_at_the_start(tmp_path: Path) -> None:
    code, line = started_in_vain("--bundle", str(tmp_path), "--port", "0")
    assert code == 6
    assert "manifest.json" in line


def test_a_runtime_that_computes_one_by_one_refuses_batches(bundle: Path) -> None:
    code, line = started_in_vain("--bundle", str(bundle), "--port", "0", "--batch-size", "4")
    assert code == 2
    assert "--batch-size 4" in line
    assert "litert" in line


def test_a_port_in_use_is_refused_at_the_start(bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, line = started_in_vain("--bundle", str(bundle), "--port", port)
    assert code == 3
    assert port in line


def test_it_is_small_because_it_imports_little(bundle: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "import foodbench.serving.__main__, foodbench.serving.server\n"
        "from foodbench.serving.bundle import read_manifest\n"
        "from foodbench.serving.runtimes import create_runtime\n"
        f"directory = Path({str(bundle)!r})\n"
        "create_runtime(read_manifest(directory), directory, 1)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('foodbench.')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    packages, own = (set(line.split()) for line in done.stdout.splitlines())
    assert not packages & {
        "tensorflow",
        "keras",
        "pydantic",
        "pandas",
        "pyarrow",
        "matplotlib",
        "locust",
        "psutil",
        "rich",
    }
    assert all(name.startswith(("foodbench.serving", "foodbench.imaging")) for name in own), own
