"""Where the requests go, and what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from foodbench.errors import InputError

__all__ = ["Address", "parse_address", "request_bytes"]

REQUEST_TARGET = re.compile(r"/[!-~]*")
"""An absolute path as RFC 9112 (section 3.2.1) has it: no blanks, no control characters, ASCII."""


@dataclass(frozen=True)
class Address:
    """A service's host and port, and the path that is asked for."""

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Return host and port as a Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


def parse_address(url: str, path: str) -> Address:
    """Return the address of ``path`` below the service's root ``url``.

    Raises:
        InputError: ``url`` is not plain http, names no host, or carries more than a path; or ``path`` has
            characters that no request line can carry.
    """
    problem = f"the service's address is not usable. Received: {url}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{problem} ({error})", "Give an address like http://127.0.0.1:5000") from None
    if parts.scheme != "http" or not host:
        raise InputError(problem, "Only http:// can be loaded, as in http://127.0.0.1:5000")
    if parts.query or parts.fragment or parts.username is not None or port == 0:
        raise InputError(problem, "Leave out user name, query and fragment, as in http://127.0.0.1:5000")
    target = parts.path.rstrip("/") + path
    if not REQUEST_TARGET.fullmatch(target):
        raise InputError(f"the path has characters that must be escaped. Received: {target!r}", "Write a blank as %20")
    return Address(host, 80 if port is None else port, target)


def request_bytes(address: Address, *, keep_alive: bool) -> bytes:
    """Return the whole request, the same for every transaction.

    It asks for the body as it is: siege counts bytes as they were sent, and so do we, without unpacking.
    """
    lines = (
        f"GET {address.target} HTTP/1.1",
        f"Host: {address.authority}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "User-Agent: foodbench",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
