"""Find the image in a request's body, without temporary files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["UploadError", "image_in"]

FIELD = "file"
MOST_PARTS = 32


class UploadError(ValueError):
    """The body holds no image where one should be. The message is one line for the client."""


def image_in(body: bytes, content_type: str) -> bytes:
    """Return the image's bytes.

    Args:
        body: A multipart form with a field called ``file``, or the image itself.
        content_type: The request's; what is not multipart/form-data is taken for the image itself.

    Raises:
        UploadError: The form is malformed or has no such field.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return body
    boundary = options.get(b"boundary")
    if not boundary:
        raise UploadError("the Content-Type multipart/form-data lacks its boundary")
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise UploadError(f"the form is malformed: {' '.join(str(error).split())[:200]}") from None
    if form.image is None:
        raise UploadError(f"the form lacks a field called {FIELD}")
    return form.image


class _Form:
    """Collects the first part called ``file``; all others are passed over."""

    def __init__(self) -> None:
        self.image: bytes | None = None
        self._parts = 0
        self._header_name = b""
        self._header_value = b""
        self._wanted = False
        self._pieces: list[bytes] = []

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self.part_begin,
            "on_part_data": self.part_data,
            "on_part_end": self.part_end,
            "on_header_begin": self.header_begin,
            "on_header_field": self.header_field,
            "on_header_value": self.header_value,
            "on_header_end": self.header_end,
        }

    def part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise UploadError(f"the form has more than {MOST_PARTS} parts")
        self._wanted = False
        self._pieces = []

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self._pieces.append(data[start:end])

    def part_end(self) -> None:
        if self._wanted and self.image is None:
            self.image = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def header_begin(self) -> None:
        self._header_name = self._header_value = b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            self._wanted = options.get(b"name") == FIELD.encode()
