"""What a user installs: the wheel carries the experiments, the manifests and the pages, and finds them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A freshly built one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("foodbench-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder with the contents of the wheel, and with the byte code of what was run from there."""
    site = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def python(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    done = python(installed, tmp_path, "-c", "import foodbench; print(foodbench.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_the_quickstart_is_found_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    done = python(installed, tmp_path, "-m", "foodbench", "run", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "mobilenetv2-0.35.litert.hpa.1" in done.stdout


@pytest.mark.parametrize("name", ["experiments", "manifests"])
def test_what_ships_is_found_inside_the_wheel_and_is_what_the_checkout_has(
    installed: Path, tmp_path: Path, name: str
) -> None:
    code = f"from foodbench.shipped import shipped_directory; print(shipped_directory({name!r}))"
    found = Path(python(installed, tmp_path, "-c", code).stdout.strip())
    assert found.is_relative_to(installed)
    inside = {path.relative_to(found): path.read_bytes() for path in found.rglob("*") if path.is_file()}
    outside = {path.relative_to(ROOT / name): path.read_bytes() for path in (ROOT / name).rglob("*") if path.is_file()}
    assert inside == outside
    assert inside


def test_pages_and_types_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name for name in archive.namelist() if name.startswith("foodbench/")}
    assert {"py.typed", "page.html"} <= names
    assert not {name for name in names if name.endswith((".pyc", ".toml~"))}
