"""The text of the Containerfile."""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["BUNDLE_DIRECTORY", "PORT", "USER_ID", "containerfile"]

USER_ID = 10001
"""Also in the manifests: what may run under restricted pod security is a number other than 0."""

PORT = 5000
"""The service's in the manifests, too."""

BUNDLE_DIRECTORY = "/bundle"

ENVIRONMENT = {
    # Where Debian's images look for programs, after the one that is ours.
    "PATH": "/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": "/app/code:/app/packages",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


def containerfile(base: str, labels: Mapping[str, str]) -> str:
    """Return the instructions that build the image from its context.

    The wheels stay in a first stage, so that the image has each package once, and nothing to install with.

    Args:
        base: The image to build upon, under the name the engine has it by.
        labels: Of the image's configuration.
    """
    service = ["python", "-m", "foodbench.serving"]
    arguments = ["--bundle", BUNDLE_DIRECTORY, "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 -- in a container
    lines = [
        f"FROM {base} AS packages",
        # Compiled code lists sets in an order that depends on this.
        "ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1",
        "COPY wheels /wheels",
        "COPY code /app/code",
        "COPY install.py /install.py",
        f"RUN {json.dumps(['python3', '/install.py', '/wheels', '/app'])}",
        "",
        f"FROM {base}",
        *(f"LABEL {_quoted(name)}={_quoted(value)}" for name, value in sorted(labels.items())),
        *(f"ENV {name}={_quoted(value)}" for name, value in ENVIRONMENT.items()),
        "COPY --from=packages /app/packages /app/packages",
        "COPY --from=packages /app/code /app/code",
        "COPY --from=packages /app/bin /app/bin",
        f"COPY bundle {BUNDLE_DIRECTORY}",
        "WORKDIR /",
        f"USER {USER_ID}:{USER_ID}",
        f"EXPOSE {PORT}/tcp",
        "STOPSIGNAL SIGTERM",
        f"ENTRYPOINT {json.dumps(service)}",
        f"CMD {json.dumps(arguments)}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{" ".join(escaped.split())}"'
