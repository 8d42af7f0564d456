"""Bad input of every kind: an answer below 500 or a 503, and the process lives.

The corpus is the same in every run: seeds and mutations are fixed.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import pytest
from PIL import Image
from serving_process import ServiceProcess, serving
from tiny_bundles import make_bundle, picture

pytestmark = pytest.mark.processes

FORM = "multipart/form-data; boundary=xyz"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    directory = tmp_path_factory.mktemp("bundle")
    make_bundle(directory)
    with serving(directory, "--threads", "2", "--read-timeout-s", "1") as running:
        yield running


@pytest.fixture(autouse=True)
def _lives_on(service: ServiceProcess) -> Iterator[None]:
    yield
    assert service.process.poll() is None
    assert service.get("/livez").status_code == 200
    assert service.get("/test").json()["class"] == "Green"
    assert service.metric('foodbench_requests_total{outcome="error",route="predict"}') == 0


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def good_images() -> dict[str, bytes]:
    noise = Image.frombytes("RGB", (40, 30), random.Random(1).randbytes(40 * 30 * 3))
    return {
        "jpeg": saved(noise, "JPEG"),
        "progressive": saved(noise, "JPEG", progressive=True),
        "cmyk": saved(noise.convert("CMYK"), "JPEG"),
        "grey": saved(noise.convert("L"), "JPEG"),
        "png": saved(noise, "PNG"),
        "palette": saved(noise.convert("P"), "PNG"),
        "alpha": saved(noise.convert("RGBA"), "PNG"),
        "16-bit": saved(Image.new("I;16", (40, 30), 40_000), "PNG"),
        "bilevel": saved(noise.convert("1"), "PNG"),
        "webp": saved(noise, "WEBP"),
        "gif": saved(noise, "GIF"),
        "animated": saved(noise, "GIF", save_all=True, append_images=[noise.rotate(90)]),
        "bmp": saved(noise, "BMP"),
        "1x1": picture((1, 2, 3), (1, 1)),
        "1x20000": picture((1, 2, 3), (1, 20_000)),
        "20000x1": picture((1, 2, 3), (20_000, 1)),
    }


GOOD = good_images()


@pytest.mark.parametrize("name", GOOD)
def test_every_kind_of_image_is_predicted(service: ServiceProcess, name: str) -> None:
    assert service.post("/predict", GOOD[name]).status_code == 200


CUTS, MUTATIONS = 16, 112


def damaged(name: str) -> Iterator[bytes]:
    """Yield an image cut short at places spread over it, then with 1, 4 or 16 bytes changed at random."""
    image, chance = GOOD[name], random.Random(name)
    yield from (image[: len(image) * part // CUTS] for part in range(CUTS))
    for _ in range(MUTATIONS):
        mutated = bytearray(image)
        for _ in range(chance.choice([1, 4, 16])):
            mutated[chance.randrange(len(mutated))] = chance.randrange(256)
        yield bytes(mutated)


def test_the_corpus_is_large_and_always_the_same() -> None:
    corpus = [content for name in GOOD for content in damaged(name)]
    assert len(corpus) >= 2000
    assert corpus == [content for name in GOOD for content in damaged(name)]


@pytest.mark.parametrize("name", GOOD)
def test_truncated_and_mutated_images(service: ServiceProcess, name: str) -> None:
    for content in damaged(name):
        answer = service.post("/predict", content)
        assert answer.status_code in {200, 400, 413}, content
        assert set(answer.json()) >= ({"class"} if answer.status_code == 200 else {"error"})


def test_a_bad_image_is_refused_with_a_reason(service: ServiceProcess) -> None:
    for content in (b"", b"\0" * 5000, b"GIF89a", b"<svg/>", b'{"image": 1}', random.Random(2).randbytes(3000)):
        answer = service.post("/predict", content)
        assert answer.status_code == 400
        reason = answer.json()["error"]
        assert reason
        assert "\n" not in reason


def test_what_is_too_large_is_refused(service: ServiceProcess) -> None:
    bombs = [saved(Image.new("1", side), "PNG") for side in ((40_000, 40_000), (1, 100_000_000))]
    for content in (*bombs, b"\xff\xd8\xff" + b"\0" * (17 << 20)):
        assert service.post("/predict", content).status_code in {400, 413}


def test_malformed_forms(service: ServiceProcess) -> None:
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    whole = head + GOOD["jpeg"] + b"\r\n--xyz--\r\n"
    bodies = [b"", b"--xyz", b"--xyz--\r\n", head, head[:-2], whole.replace(b'name="file"', b"name=file="), whole[:-6]]
    bodies += [whole[: len(whole) * part // 10] for part in range(10)]
    bodies += [b"--xyz\r\n" * 500, whole.replace(b"\r\n", b"\n"), head + b"\0" * 100, whole + whole]
    types = [
        FORM,
        "multipart/form-data",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "x" * 4000,
    ]
    for body in bodies:
        for content_type in types:
            answer = service.post("/predict", body, content_type)
            assert answer.status_code in {200, 400}, (body[:100], content_type)


RAW_REQUESTS = [
    b"\r\n\r\n",
    b"\0\1\2\3" * 50,
    b"GET\r\n\r\n",
    b"GET /test\r\n\r\n",
    b"GET /test HTTP/9.9\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //test HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /test HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET /test HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: \xff\xff\r\nContent-Length: 1\r\n\r\nx",
    b"GET /test HTTP/1.1\r\n" + b"A: b\r\n" * 8000 + b"\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"HEAD /test HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 300,
]


@pytest.mark.parametrize("number", range(len(RAW_REQUESTS)))
def test_requests_that_are_no_http(service: ServiceProcess, number: int) -> None:
    """Ended by the client's own departure, so that nothing is waited for."""
    with service.connect() as connection:
        connection.sendall(RAW_REQUESTS[number])
        connection.settimeout(5)
        first = connection.recv(65536)
    assert first == b"" or (first.startswith(b"HTTP/1.1 ") and first[9:10] in b"24"), first[:200]
