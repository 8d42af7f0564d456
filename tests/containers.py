"""Images and containers for tests: built by a real engine upon a base that .ci/containers makes, run by podman."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import provenance, serving_bundle
from tiny_bundles import make_bundle

from foodbench.records.bundles import ServingBundle
from foodbench.store import Store

__all__ = [
    "BASE",
    "GRACE_PERIOD_S",
    "Container",
    "podman",
    "require_base",
    "run_container",
    "run_registry",
    "stored_tiny_bundle",
]

BASE = "localhost/foodbench-test-base:latest"

DEADLINE_S = 60.0

GRACE_PERIOD_S = 20

HARDENED = (
    "--read-only",
    "--cap-drop",
    "all",
    "--security-opt",
    "no-new-privileges",
    "--cpus",
    "1",
    "--memory",
    "200m",
)


def podman(*arguments: str, exit_code: int | None = 0) -> str:
    """Run podman and return what it prints; an ``exit_code`` of None takes any."""
    program = shutil.which("podman")
    assert program is not None
    # Its monitor leaves a file "oom" in the working folder when a container needs too much memory.
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=elsewhere
        )
    assert exit_code in {None, done.returncode}, done.stderr
    return done.stdout


def require_base() -> None:
    """Make sure that the base image is there; in CI it must be."""
    if not podman("images", "--quiet", BASE):
        if os.environ.get("CI"):
            pytest.fail(f"{BASE} is missing; .ci/containers makes it")
        pytest.skip(f"{BASE} is not on this machine; .ci/containers makes it")


def stored_tiny_bundle(store: Store, runtime: str = "litert") -> ServingBundle:
    """Store a bundle that tells colours apart, as packaging would leave it."""
    scratch = store.root / "scratch"
    manifest = make_bundle(scratch, runtime=runtime)
    bundle = serving_bundle(
        model_name=manifest.model_name,
        model_digest=manifest.model_digest,
        runtime=runtime,
        weights_sha256=manifest.weights_sha256,
        provenance=provenance(),
    )
    shutil.copytree(scratch, store.bundle_directory(bundle.digest))
    store.save_bundle(bundle)
    return bundle


@dataclass(frozen=True)
class Container:
    """A container that is running."""

    name: str
    url: str

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=DEADLINE_S)

    def post(self, path: str, content: bytes) -> httpx.Response:
        headers = {"content-type": "application/octet-stream"}
        return httpx.post(self.url + path, content=content, headers=headers, timeout=DEADLINE_S)

    def python(self, program: str) -> str:
        """Run a program in it and return what it prints."""
        return podman("exec", self.name, "python", "-c", program).strip()

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM, SIGKILL after the grace period, and return the exit code and how long it took in seconds."""
        began_s = time.monotonic()
        podman("stop", "--time", str(GRACE_PERIOD_S), self.name)
        state: dict[str, Any] = json.loads(podman("inspect", self.name))[0]["State"]
        return int(state["ExitCode"]), time.monotonic() - began_s


@contextmanager
def run_container(image: str, *arguments: str, options: Sequence[str] = HARDENED) -> Iterator[Container]:
    """Run an image on a loopback port, wait until it is ready, and remove it at the end."""
    name = podman("run", "--detach", "--publish", "127.0.0.1::5000", *options, image, *arguments).strip()
    try:
        found = re.search(r"127\.0\.0\.1:(\d+)", podman("port", name))
        assert found is not None
        container = Container(name, f"http://127.0.0.1:{found[1]}")
        give_up_s = time.monotonic() + DEADLINE_S
        while not _ready(container):
            assert time.monotonic() < give_up_s, podman("logs", name)
            time.sleep(0.05)
        yield container
    finally:
        podman("rm", "--force", "--time", "0", name, exit_code=None)


def _ready(container: Container) -> bool:
    return _answers(f"{container.url}/readyz")


REGISTRY_SETTINGS = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {directory}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextmanager
def run_registry(program: str, directory: Path) -> Iterator[str]:
    """Run a registry without a password on a loopback port, and give its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = directory / "registry.yml"
    settings.write_text(REGISTRY_SETTINGS.format(directory=directory / "images", port=port))
    log = (directory / "registry.log").open("wb")
    with log, subprocess.Popen([program, "serve", str(settings)], stdout=log, stderr=log) as process:
        try:
            give_up_s = time.monotonic() + DEADLINE_S
            while not _answers(f"http://127.0.0.1:{port}/v2/"):
                assert time.monotonic() < give_up_s, (directory / "registry.log").read_text()
                time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=DEADLINE_S).status_code == 200
    except httpx.TransportError:
        return False
