"""The page at /: one file, with nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

__all__ = ["Page", "load"]


@dataclass(frozen=True)
class Page:
    """The page and the headers it is sent with."""

    html: bytes
    headers: dict[str, str]


def load() -> Page:
    """Read the page. Its own style and script are the only ones that a browser will accept."""
    html = files("foodbench.serving").joinpath("page.html").read_text(encoding="utf-8")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash_of_element('style', html)}",
            f"script-src {_hash_of_element('script', html)}",
            "img-src blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return Page(
        html.encode(),
        {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-cache",
        },
    )


def _hash_of_element(name: str, html: str) -> str:
    """Return the Content-Security-Policy source that admits exactly this inline element."""
    (content,) = re.findall(rf"<{name}>(.*?)</{name}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
