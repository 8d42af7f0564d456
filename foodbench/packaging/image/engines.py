"""The programs that build images, behind one small value: podman, docker, buildah."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from foodbench.errors import InputError, MachineError, RunFailed
from foodbench.process import find_program, run
from foodbench.records.images import EngineName

__all__ = ["Engine", "Found", "find_engine"]

QUERY_TIMEOUT_S = 60.0
BUILD_TIMEOUT_S = 1800.0
PULL_TIMEOUT_S = 1800.0
PUSH_TIMEOUT_S = 1800.0
SAVE_TIMEOUT_S = 600.0

SIZE = re.compile(r"([0-9.]+) ?([kMGT]?B)")
UNIT_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True)
class Found:
    """An image that an engine holds."""

    image_id: str
    digest: str | None
    size_bytes: int
    """To three digits under buildah, which tells no more."""


@dataclass(frozen=True)
class Engine:
    """One of the programs, and how to say to it what is wanted."""

    name: EngineName
    program: str

    def version(self) -> str:
        """Return its version."""
        output = run([self.program, "--version"], timeout_s=QUERY_TIMEOUT_S).output
        found = re.search(r"\d+\.\d+[^\s,]*", output)
        return found[0] if found else output.strip()

    def build_command(
        self,
        context: Path,
        tag: str,
        *,
        timestamp_s: int,
        annotations: Mapping[str, str],
        id_file: Path,
        options: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Return the command that builds ``context``, with no network, every time stamp set to ``timestamp_s``."""
        command = [self.program, "build", "--network", "none", "--tag", tag, "--iidfile", str(id_file)]
        if self.name == "docker":
            # A provenance attestation names the moment of the build; buildkit sets the configuration's
            # time stamps from this argument.
            command += ["--provenance=false", "--build-arg", f"SOURCE_DATE_EPOCH={timestamp_s}"]
        else:
            command += ["--format", "oci", "--timestamp", str(timestamp_s)]
            for name, value in sorted(annotations.items()):
                command += ["--annotation", f"{name}={value}"]
        return (*command, *options, "--file", str(context / "Containerfile"), str(context))

    def build(
        self,
        context: Path,
        tag: str,
        *,
        timestamp_s: int,
        annotations: Mapping[str, str],
        options: Sequence[str] = (),
    ) -> str:
        """Build an image and return its id.

        Args:
            context: Holds the Containerfile and all it copies.
            tag: Under which the engine keeps it.
            timestamp_s: Of every file and of the image itself, since the epoch.
            annotations: Of the manifest.
            options: Further ones of the engine's build command.

        Raises:
            RunFailed: The build failed.
        """
        with tempfile.TemporaryDirectory() as directory:
            id_file = Path(directory) / "id"
            command = self.build_command(
                context, tag, timestamp_s=timestamp_s, annotations=annotations, id_file=id_file, options=options
            )
            done = run(command, timeout_s=BUILD_TIMEOUT_S, check=False)
            if done.exit_code != 0:
                # The engine's own last line only says which instruction failed; what failed in it stands above.
                said = [line for line in done.error_output.splitlines() if line.strip()]
                raise RunFailed(f"{self.name} cannot build {tag}: {' · '.join(said[-3:])}")
            return id_file.read_text().strip().removeprefix("sha256:")

    def find(self, image: str) -> Found | None:
        """Return what the engine knows of ``image``, or None where it does not hold it."""
        if self.name == "buildah":
            return self._find_by_buildah(image)
        done = run([self.program, "image", "inspect", image], timeout_s=QUERY_TIMEOUT_S, check=False)
        if done.exit_code != 0:
            return None
        facts: dict[str, Any] = json.loads(done.output)[0]
        digest = facts.get("Digest") or next(
            (name.partition("@")[2] for name in facts.get("RepoDigests") or () if "@" in name), None
        )
        return Found(str(facts["Id"]).removeprefix("sha256:"), digest, int(facts["Size"]))

    def _find_by_buildah(self, image: str) -> Found | None:
        done = run([self.program, "images", "--json", "--no-trunc", image], timeout_s=QUERY_TIMEOUT_S, check=False)
        if done.exit_code != 0:
            return None
        facts: dict[str, Any] = json.loads(done.output)[0]
        size = SIZE.search(facts["size"])
        if size is None:
            raise RunFailed(f"buildah printed no size for {image}. Received: {facts['size']!r}")
        return Found(
            facts["id"].removeprefix("sha256:"), facts.get("digest"), round(float(size[1]) * UNIT_BYTES[size[2]])
        )

    def pull(self, image: str) -> None:
        """Fetch ``image`` from its registry.

        Raises:
            MachineError: It cannot be had.
        """
        try:
            run([self.program, "pull", "--quiet", image], timeout_s=PULL_TIMEOUT_S)
        except RunFailed as error:
            raise MachineError(
                f"the base image {image} is not on this machine and cannot be fetched: {error.problem}",
                "Give one that is there with --base",
            ) from error

    def output_of(self, image: str, command: Sequence[str]) -> str:
        """Run a command in ``image``, without a network, and return what it prints.

        Raises:
            RunFailed: It cannot be run, or fails.
        """
        if self.name != "buildah":
            arguments = ["run", "--rm", "--network", "none", "--entrypoint", command[0], image, *command[1:]]
            return run([self.program, *arguments], timeout_s=QUERY_TIMEOUT_S).output
        container = run([self.program, "from", "--pull-never", image], timeout_s=QUERY_TIMEOUT_S).output.strip()
        try:
            arguments = ["run", "--network", "none", container, "--", *command]
            return run([self.program, *arguments], timeout_s=QUERY_TIMEOUT_S).output
        finally:
            run([self.program, "rm", container], timeout_s=QUERY_TIMEOUT_S, check=False)

    def save(self, image: str, archive: Path) -> None:
        """Write ``image`` to a new file, in the format of ``docker save``, which clusters' own programs load.

        Raises:
            RunFailed: It is not there, or the disk is full.
        """
        command = {
            "podman": ["save", "--format", "docker-archive", "--output", str(archive), image],
            "docker": ["save", "--output", str(archive), image],
            "buildah": ["push", image, f"docker-archive:{archive}:{image}"],
        }[self.name]
        run([self.program, *command], timeout_s=SAVE_TIMEOUT_S)

    def push(self, image: str, destination: str) -> str:
        """Push an image, known by its id or a tag, and return the digest that the registry knows it by.

        Raises:
            RunFailed: The registry did not take it.
        """
        if self.name == "docker":
            run([self.program, "tag", image, destination], timeout_s=QUERY_TIMEOUT_S)
            output = run([self.program, "push", destination], timeout_s=PUSH_TIMEOUT_S).output
            found = re.search(r"digest: (sha256:[0-9a-f]{64})", output)
            if found is None:
                raise RunFailed(f"docker push {destination} printed no digest")
            return found[1]
        with tempfile.TemporaryDirectory() as directory:
            digest_file = Path(directory) / "digest"
            command = [self.program, "push", "--digestfile", str(digest_file), image, f"docker://{destination}"]
            run(command, timeout_s=PUSH_TIMEOUT_S)
            return digest_file.read_text().strip()


def find_engine(name: str | None = None) -> Engine:
    """Return the engine called ``name``, or the first there is of podman, docker, buildah.

    Raises:
        InputError: foodbench knows no engine of that name.
        MachineError: It, or any, is not on this machine.
    """
    known: tuple[EngineName, ...] = get_args(EngineName)
    if name is not None and name not in known:
        raise InputError(f"--engine: received {name}", f"Choose one of {', '.join(known)}")
    for candidate in known:
        if name in {None, candidate}:
            try:
                return Engine(candidate, find_program(candidate, remedy="Install it"))
            except MachineError:
                continue
    raise MachineError(
        f"{name} is not on this machine" if name else "neither podman, docker nor buildah is on this machine",
        "An image is built by one of them; on Debian: apt install podman",
    )
