"""What schemathesis sends where the service's document asks for a photograph: photographs.

A schema says that a body is an image, but not which bytes are one. Loaded by schemathesis (SCHEMATHESIS_HOOKS).
"""

from __future__ import annotations

import io

import schemathesis
from hypothesis import strategies as st
from PIL import Image

MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("P", "L"),
    "BMP": ("RGB", "L", "P", "1"),
}
"""Formats that the document names, and how each may store its pixels."""


@st.composite
def images(draw: st.DrawFn, image_format: str) -> bytes:
    """Draw a whole image of the format, of any shape, mode and colour."""
    size = draw(st.integers(1, 64)), draw(st.integers(1, 64))
    colour = draw(st.tuples(*[st.integers(0, 255)] * 3))
    file = io.BytesIO()
    plain = Image.new("RGB", size, colour)
    mode = draw(st.sampled_from(MODES[image_format]))
    image = Image.new(mode, size, colour[0] << 8) if mode == "I;16" else plain.convert(mode)
    image.save(file, image_format)
    return file.getvalue()


for name in MODES:
    schemathesis.openapi.media_type(f"image/{name.lower()}", images(name))
