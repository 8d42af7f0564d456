"""The image in a request's body, whatever the client calls it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.serving.uploads import MOST_PARTS, UploadError, image_in

FORM = "multipart/form-data; boundary=xyz"


def part(name: str, content: bytes, extra: bytes = b"") -> bytes:
    head = f'--xyz\r\nContent-Disposition: form-data; name="{name}"'.encode()
    return head + extra + b"\r\n\r\n" + content + b"\r\n"


END = b"--xyz--\r\n"


@pytest.mark.parametrize(
    "content_type", ["", "image/jpeg", "application/x-www-form-urlencoded", "nonsense;;;=", "\xff"]
)
def test_what_is_no_form_is_the_image_itself(content_type: str) -> None:
    assert image_in(b"anything", content_type) == b"anything"


@given(st.binary(max_size=300).filter(lambda content: b"--xyz" not in content))
def test_the_field_is_found_among_others_byte_for_byte(content: bytes) -> None:
    body = part("other", b"1") + part("file", content, b'; filename="a b.jpg"') + part("file", b"second") + END
    assert image_in(body, FORM) == content


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (part("picture", b"1") + END, FORM, "lacks a field called file"),
        (END, FORM, "lacks a field called file"),
        (part("file", b"1") + END, "multipart/form-data", "boundary"),
        (part("file", b"1") + END, "multipart/form-data; boundary=other", "malformed"),
        (b"garbage", FORM, "malformed"),
        (part("file", b"1") + END, f"multipart/form-data; boundary={'x' * 1000}", "malformed"),
        (part("a", b"") * (MOST_PARTS + 1) + END, FORM, "parts"),
        (b"--xyz\r\n" + b"A: b\r\n" * 1000 + b"\r\n1\r\n" + END, FORM, "malformed"),
    ],
)
def test_a_form_without_the_field_is_refused_with_the_reason(body: bytes, content_type: str, reason: str) -> None:
    with pytest.raises(UploadError, match=reason):
        image_in(body, content_type)


@given(st.binary(max_size=400), st.sampled_from([FORM, "multipart/form-data; boundary=-"]))
def test_nothing_but_an_upload_error_comes_of_any_body(body: bytes, content_type: str) -> None:
    try:
        found = image_in(b"--xyz" + body, content_type)
    except UploadError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert found in body
