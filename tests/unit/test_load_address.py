"""Only plain http to a host is loaded, and the request says what siege's says."""

from __future__ import annotations

import pytest

from foodbench.errors import InputError
from foodbench.load.address import parse_address, request_bytes


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://127.0.0.1:5000", "127.0.0.1:5000", "/test"),
        ("http://127.0.0.1:5000/", "127.0.0.1:5000", "/test"),
        ("http://Example.org", "example.org", "/test"),
        ("http://[::1]:8080/base/", "[::1]:8080", "/base/test"),
    ],
)
def test_a_service_is_found_by_its_root(url: str, authority: str, target: str) -> None:
    address = parse_address(url, "/test")
    assert (address.authority, address.target) == (authority, target)


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1", "ftp://127.0.0.1", "127.0.0.1:5000", "http://", "http:///x", "file:///etc/passwd", ""),
        *("http://a:0", "http://a:99999", "http://a:b", "http://me@a", "http://a?x=1", "http://a#x", "http://[::1"),
    ],
)
def test_other_addresses_are_refused_with_what_was_received(url: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_address(url, "/test")
    assert f"Received: {url}" in str(raised.value)
    assert raised.value.remedy


@pytest.mark.parametrize("path", ["/a b", "/a\r\nHost: evil", "/caf\u00e9", "/a\x00"])
def test_a_path_cannot_smuggle_anything_into_the_request(path: str) -> None:
    with pytest.raises(InputError, match="escaped"):
        parse_address("http://127.0.0.1:5000", path)


@pytest.mark.parametrize(("keep_alive", "said"), [(False, b"close"), (True, b"keep-alive")])
def test_the_request_is_whole(keep_alive: bool, said: bytes) -> None:  # noqa: FBT001
    request = request_bytes(parse_address("http://127.0.0.1:5000", "/test?x=1"), keep_alive=keep_alive)
    line, *headers = request.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert line == b"GET /test?x=1 HTTP/1.1"
    assert b"Host: 127.0.0.1:5000" in headers
    assert b"Connection: " + said in headers
    assert b"Accept-Encoding: identity" in headers
