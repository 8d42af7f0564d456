"""What an image can be built upon: any Linux with CPython and glibc."""

from __future__ import annotations

import json
from typing import Any

from foodbench.errors import InputError, RunFailed
from foodbench.packaging.image.engines import Engine
from foodbench.records.images import BaseImage

__all__ = ["examine_base"]

QUESTION = (
    "import json, platform, sys; print(json.dumps({'python': list(sys.version_info[:2]), "
    "'implementation': sys.implementation.name, 'machine': platform.machine(), 'libc': platform.libc_ver()}))"
)

OLDEST_PYTHON = (3, 11)


def examine_base(engine: Engine, name: str) -> BaseImage:
    """Find a base image, fetching it if need be, and ask its Python what wheels it takes.

    Raises:
        InputError: It holds no Python that the service runs on.
        MachineError: It cannot be had.
    """
    found = engine.find(name)
    if found is None:
        engine.pull(name)
        found = engine.find(name)
    if found is None:
        raise RunFailed(f"{engine.name} pulled {name} and does not have it")
    try:
        facts: dict[str, Any] = json.loads(engine.output_of(name, ["python3", "-c", QUESTION]))
    except (RunFailed, ValueError) as error:
        raise InputError(
            f"the base image {name} runs no python3: {str(error).rstrip('.')}",
            "Give one that has Python with --base, such as python:3.13-slim",
        ) from error
    version = tuple(facts["python"])
    if facts["implementation"] != "cpython" or version < OLDEST_PYTHON:
        received = f"{facts['implementation']} {'.'.join(map(str, version))}"
        raise InputError(f"the base image {name} has {received}", "The service needs CPython 3.11 or newer")
    if facts["libc"][0] != "glibc":
        raise InputError(f"the base image {name} is not built on glibc", "LiteRT and its like have no packages for it")
    return BaseImage(
        name=name,
        image_id=found.image_id,
        digest=found.digest,
        size_bytes=found.size_bytes,
        python_version=".".join(map(str, version)),
        machine=facts["machine"],
        glibc_version=facts["libc"][1],
    )
