"""Renders docs/commands.md from the commands' own --help.

python tests/commands_page.py > docs/commands.md
"""

from __future__ import annotations

import os
import subprocess
import sys

COMMANDS = (
    "doctor", "data synth", "data fetch", "data check", "data show", "train", "ablate", "evaluate", "predict", "package", "deploy", "status", "loadtest", "report", "explain", "run", "delete",
)  # fmt: skip

HEAD = """# Commands

What `foodbench COMMAND --help` prints. This page is made from it, and a test fails when they differ.
"""


def help_of(command: str) -> str:
    """Return the help of a command, as a terminal of 100 columns shows it, without colours."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}
    arguments = [sys.executable, "-m", "foodbench", *command.split(), "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60, env=environment)
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


def commands_page() -> str:
    """Return the whole page."""
    parts = [f"## foodbench {command}\n\n```text\n{help_of(command)}\n```\n" for command in COMMANDS]
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    sys.stdout.write(commands_page())
