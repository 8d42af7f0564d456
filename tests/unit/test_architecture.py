"""The imports point one way, and the command line stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import foodbench

PACKAGE = Path(foodbench.__file__).parent

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "records", "progress"}),
    frozenset(
        {
            "analysis",
            "autoscaling",
            "experiment",
            "imaging",
            "isolation",
            "keras_door",
            "process",
            "provenance",
            "quantities",
            "shipped",
            "store",
            "streams",
        }
    ),
    frozenset({"data", "deploy", "load", "observe", "packaging", "report", "serving", "training"}),
    frozenset({"ablation", "delivery", "environment", "pipeline"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
"""From the bottom. A module imports from lower layers; within the second layer also from its neighbours."""

LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}

NEIGHBOURS_ALLOWED = {
    ("packaging", "serving"),  # the format of a bundle has one definition, the service's
    ("training", "data"),  # the Dataset value
    ("packaging", "data"),
    ("ablation", "pipeline"),
}

HEAVY = {"tensorflow", "keras", "pandas", "matplotlib", "locust", "kubernetes", "pyarrow", "numpy"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module imported anywhere in a file, type-checking imports included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    names = {name.split(".", 2)[1] for name in imports_of(path) if name.startswith("foodbench.")}
    return {name for name in names if name in LAYER_OF}


def test_every_module_has_a_layer() -> None:
    top = {name.partition(".")[0] for name, _ in modules()} - {"__init__", "_shipped"}
    assert top == set(LAYER_OF)


@pytest.mark.parametrize(("name", "path"), [pytest.param(*found, id=found[0]) for found in modules()])
def test_imports_point_down(name: str, path: Path) -> None:
    top = name.partition(".")[0]
    if top == "__init__":
        return
    for other in own_imports(path):
        same_or_allowed = other == top or (top, other) in NEIGHBOURS_ALLOWED
        neighbours_below = LAYER_OF[other] == LAYER_OF[top] <= 1
        assert same_or_allowed or neighbours_below or LAYER_OF[other] < LAYER_OF[top], f"{name} imports {other}"


def test_the_service_needs_nothing_but_imaging() -> None:
    for name, path in modules():
        if name.startswith("serving"):
            assert own_imports(path) <= {"serving", "imaging"}, name


@pytest.mark.parametrize("package", ["analysis", "report"])
def test_analysis_and_report_need_no_machine(package: str) -> None:
    for name, path in modules():
        if name.split(".")[0] == package:
            tops = {imported.split(".")[0] for imported in imports_of(path)}
            assert not tops & {"tensorflow", "keras", "kubernetes", "locust", "psutil"}, name


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after ``statement``."""
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split("\n")[-2].split())


def test_help_loads_no_heavy_package() -> None:
    loaded = loaded_by(
        "import sys\nsys.argv = ['foodbench', '--help']\n"
        "from foodbench.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0"
    )
    assert "typer" in loaded
    assert not loaded & (HEAVY | {"pydantic", "psutil"})


def test_records_and_store_load_no_heavy_package() -> None:
    assert not loaded_by("import foodbench.store, foodbench.experiment") & HEAVY


def test_the_package_itself_is_light() -> None:
    assert not loaded_by("import foodbench") & (HEAVY | {"pydantic"})


def test_report_loads_no_tensorflow() -> None:
    assert not loaded_by("import foodbench.report") & {"tensorflow", "keras", "kubernetes", "locust"}
