"""Runs inside the base image while it is built on, with nothing but its Python: install the wheels, compile all.

Arguments: the folder of wheels, the folder to install into.
"""

from __future__ import annotations

import compileall
import os
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

__all__ = ["main"]


def main() -> int:
    """Install every wheel, with the pip that came with them."""
    wheels, target = Path(sys.argv[1]), Path(sys.argv[2])
    (pip,) = wheels.glob("pip-*.whl")
    sys.path.insert(0, str(pip))
    from pip._internal.cli.main import main as run_pip

    options = ["--no-index", "--find-links", str(wheels), "--require-hashes", "--only-binary", ":all:"]
    options += [
        "--no-compile",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--root-user-action",
        "ignore",
        "--quiet",
    ]
    packages = target / "packages"
    failed = run_pip(
        ["install", *options, "--target", str(packages), "--requirement", str(wheels / "requirements.txt")]
    )
    if failed:
        return int(failed)
    # The running container's file system is read-only, so what is not compiled now is compiled at each start. A
    # time stamp in the compiled files would differ from build to build; nobody changes the sources afterwards.
    mode = PycInvalidationMode.UNCHECKED_HASH
    for folder in (packages, target / "code"):
        compileall.compile_dir(folder, quiet=2, invalidation_mode=mode)
    # The name of the interpreter that scripts and manifests use.
    (target / "bin").mkdir()
    (target / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    return 0


if __name__ == "__main__":
    sys.exit(main())
