"""What the documentation shows is what the commands print, and what it points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands_page import COMMANDS, commands_page

from foodbench.cli.main import COMMANDS as NAMES

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def test_the_commands_page_is_what_help_prints() -> None:
    assert (ROOT / "docs" / "commands.md").read_text() == commands_page(), (
        "run: python tests/commands_page.py > docs/commands.md"
    )


def test_every_command_is_on_the_page() -> None:
    assert {command.split()[0] for command in COMMANDS} == set(NAMES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith(("https:", "http:", "mailto:")):
            assert (page.parent / target).exists(), target


def test_every_command_line_in_the_readme_is_one_that_exists() -> None:
    shown = set(re.findall(r"foodbench ([a-z]+)\b", (ROOT / "README.md").read_text()))
    assert shown
    assert {name for name in shown if name in NAMES} >= {"run", "train", "deploy", "loadtest", "report", "delete"}


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    command = ".ci/setup && .venv/bin/pytest"
    assert command in (ROOT / "README.md").read_text()
    assert command in (ROOT / ".ci" / "run").read_text()
