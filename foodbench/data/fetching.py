"""Fetches a data set's archive over HTTP: goes on where it broke off, and takes nothing on trust."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from foodbench.data.partial import PartialFile, opened_partial
from foodbench.errors import InputError, MachineError, RunFailed
from foodbench.progress import Progress

__all__ = ["FetchLimits", "Fetched", "fetch", "target_of"]

CHUNK_BYTES = 2**18
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
TAR_MAGIC_AT = 257
LONGEST_PAUSE_S = 8.0


@dataclass(frozen=True)
class FetchLimits:
    """What a fetch may take."""

    most_bytes: int = 64 * 2**30
    attempts: int = 6
    """In a row that bring nothing new."""
    redirects: int = 5
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    first_pause_s: float = 0.5
    """Between attempts; doubled each time."""


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched."""

    path: Path
    size_bytes: int
    sha256: str


class _BrokenOff(Exception):
    """An attempt ended before the file was whole; another may go on."""


def target_of(address: str, output: Path | None) -> Path:
    """Return where the archive at ``address`` goes: ``output``, or under its own name into that folder or this one.

    Raises:
        InputError: The address names no file, or there is no such folder.
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "_", unquote(urlsplit(address).path).rpartition("/")[2]).lstrip(".")
    if output is not None and not output.is_dir():
        target = output
    elif name:
        target = (output or Path()) / name
    else:
        raise InputError(f"{_shown(address)} names no file", "Say where it goes with --output")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}", "Make it first, or choose another with --output")
    return target


def fetch(
    address: str, target: Path, *, progress: Progress, sha256: str | None = None, limits: FetchLimits | None = None
) -> Fetched:
    """Fetch the archive at ``address`` into ``target``.

    What broke off is gone on with, also by a later call, where the server says that its file is still the same
    (``If-Range``); otherwise it begins anew. ``target`` appears whole or not at all, and nothing is replaced.

    Args:
        address: http or https.
        target: A file that does not exist yet, in a folder that does.
        progress: Told how far it is.
        sha256: What the file must have, in hexadecimal.
        limits: What it may take.

    Raises:
        InputError: The address or the checksum is not right, or what lies there is no archive or too large.
        MachineError: The disk is full or cannot be written.
        RunFailed: The server cannot be reached or breaks off again and again.
    """
    limits = limits or FetchLimits()
    _check_scheme(address)
    if target.exists():
        raise InputError(f"{target} is already there", "Nothing is overwritten: choose another --output, or delete it")
    try:
        with opened_partial(target, address) as partial:
            _receive_all(address, partial, progress, limits, target.name)
            return _accepted(partial, target, sha256)
    except FileExistsError:
        raise InputError(f"{target} has come to be in the meantime", "Choose another --output") from None
    except OSError as error:
        raise MachineError(
            f"cannot write {target}: {error.strerror or error}", "Choose another place with --output"
        ) from error


def _receive_all(address: str, partial: PartialFile, progress: Progress, limits: FetchLimits, name: str) -> None:
    timeout = urllib3.Timeout(connect=limits.connect_timeout_s, read=limits.read_timeout_s)
    in_vain, pause_s, furthest = 0, limits.first_pause_s, partial.size_bytes
    with urllib3.PoolManager(timeout=timeout, retries=False) as pool:
        while True:
            try:
                _attempt(pool, address, partial, progress, limits, name)
            except (_BrokenOff, urllib3.exceptions.HTTPError) as error:
                # Against all attempts: one that begins anew and comes no further brings nothing new.
                in_vain = 0 if partial.size_bytes > furthest else in_vain + 1
                furthest = max(furthest, partial.size_bytes)
                if in_vain >= limits.attempts:
                    raise RunFailed(
                        f"{_shown(address)} broke off {in_vain} times without anything new: {_one_line(error)}",
                        f"{partial.size_bytes:,} bytes are kept: give the same command again to go on",
                    ) from error
                progress.say(f"{_shown(address)} broke off ({_one_line(error)}); trying again")
                time.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s) if in_vain else limits.first_pause_s
            else:
                return


def _attempt(
    pool: urllib3.PoolManager,
    address: str,
    partial: PartialFile,
    progress: Progress,
    limits: FetchLimits,
    name: str,
) -> None:
    """Receive what is missing."""
    had, validator = partial.size_bytes, partial.validator()
    headers = {"Accept-Encoding": "identity", "User-Agent": "foodbench"}
    if had and validator is not None:
        headers |= {"Range": f"bytes={had}-", "If-Range": validator}
    response = _request(pool, address, headers, limits)
    try:
        total = _prepared(response, partial, address, limits)
        done = partial.size_bytes
        # Not stream(): what it holds back to fill a chunk would be lost when the connection breaks.
        while chunk := response.read1(CHUNK_BYTES):
            partial.file.write(chunk)
            done += len(chunk)
            if done > limits.most_bytes:
                raise _too_large(address, limits)
            progress.step(f"fetching {name}", done, total or done)
        if total is not None and done != total:
            raise _BrokenOff(f"{done:,} of {total:,} bytes came")
    finally:
        partial.file.flush()
        response.release_conn()
        response.close()


def _request(
    pool: urllib3.PoolManager, address: str, headers: dict[str, str], limits: FetchLimits
) -> urllib3.BaseHTTPResponse:
    for _ in range(limits.redirects + 1):
        response = pool.request("GET", address, headers=headers, preload_content=False, redirect=False)
        if response.status not in REDIRECTS:
            return response
        onward = urljoin(address, response.headers.get("Location", ""))
        response.close()
        _check_scheme(onward)
        if urlsplit(address).scheme == "https" and urlsplit(onward).scheme != "https":
            raise InputError(f"{_shown(address)} leads on to an address without encryption", "Do not trust it")
        address = onward
    raise InputError(f"{_shown(address)} leads on more than {limits.redirects} times", "Give the last address itself")


def _prepared(
    response: urllib3.BaseHTTPResponse, partial: PartialFile, address: str, limits: FetchLimits
) -> int | None:
    """Make ``partial`` ready for the body, and return how large the file will be; None where the server is silent.

    Raises:
        InputError: There is no such file, or it is too large.
        _BrokenOff: The server has trouble, or its answer does not fit what is there.
    """
    had = partial.size_bytes
    if response.status in TRY_AGAIN:
        raise _BrokenOff(f"status {response.status}")
    if response.status == 416 or (response.status == 206 and not _goes_on(response, partial)):
        # Begin anew with the next attempt.
        partial.begin(None)
        raise _BrokenOff("the server's file has changed")
    if response.status == 206:
        found = CONTENT_RANGE.fullmatch(response.headers["Content-Range"])
        total = int(found[3]) if found else None
    elif response.status == 200:
        partial.begin(_validator(response))
        had = 0
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
    else:
        raise InputError(
            f"{_shown(address)} answered with status {response.status}",
            "Give the address of the archive itself; one that asks for a log-in cannot be fetched",
        )
    if total is not None and total > limits.most_bytes:
        raise _too_large(address, limits)
    free = shutil.disk_usage(partial.path.parent).free
    if total is not None and total - had > free:
        raise MachineError(
            f"{_shown(address)} needs {total - had:,} bytes more, and {free:,} are free", "Free some disk space"
        )
    return total


def _goes_on(response: urllib3.BaseHTTPResponse, partial: PartialFile) -> bool:
    """Return whether a partial answer begins where the bytes end, and is of the same version."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    same = _validator(response) in {None, partial.validator()}
    return found is not None and int(found[1]) == partial.size_bytes and int(found[2]) + 1 == int(found[3]) and same


def _validator(response: urllib3.BaseHTTPResponse) -> str | None:
    tag = response.headers.get("ETag")
    # A weak tag says "alike", which is not enough to join bytes (RFC 9110, section 13.1.5).
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _accepted(partial: PartialFile, target: Path, sha256: str | None) -> Fetched:
    """Check what came, and let it become the target."""
    size_bytes, found = partial.size_bytes, partial.sha256()
    if sha256 is not None and found != sha256.lower():
        partial.discard()
        raise InputError(
            f"what came has SHA-256 {found}, not {sha256.lower()}", "Check both address and checksum; nothing was kept"
        )
    partial.file.seek(0)
    if not _is_archive(partial.file.read(TAR_MAGIC_AT + 5)):
        partial.discard()
        raise InputError(
            f"what came ({size_bytes:,} bytes) is no zip or tar archive, perhaps a page that asks for a log-in",
            "Give the address of the archive itself; nothing was kept",
        )
    partial.become(target)
    return Fetched(target, size_bytes, found)


def _is_archive(beginning: bytes) -> bool:
    compressed = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
    return beginning.startswith(compressed) or beginning[TAR_MAGIC_AT:] == b"ustar"


def _check_scheme(address: str) -> None:
    if urlsplit(address).scheme not in {"http", "https"} or not urlsplit(address).hostname:
        raise InputError(f"{_shown(address)} is no address to fetch from", "Give one that begins with https://")


def _shown(address: str) -> str:
    """Return an address without what may be secret in it: user, password, query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}{unquote(parts.path)}" if parts.hostname else repr(parts.path)


def _too_large(address: str, limits: FetchLimits) -> InputError:
    return InputError(
        f"{_shown(address)} has more than {limits.most_bytes:,} bytes", "Fetch it yourself if it is right"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
