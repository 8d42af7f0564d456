"""Sessions: tests, lint, types, bench, docs-check. ``nox`` runs the first three."""

from __future__ import annotations

import nox

nox.options.sessions = ["tests", "lint", "types"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

PINNED = ".ci/requirements.txt"
PROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session) -> None:
    """Install every package at its pinned version and hash, then foodbench itself from here."""
    session.install("--require-hashes", "-r", PINNED)
    session.install("--no-deps", "-e", ".")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after -- go to pytest."""
    install(session)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly, tests included."""
    install(session)
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure foodbench against its baselines, both sides in one run."""
    install(session)
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session(name="docs-check")
def docs_check(session: nox.Session) -> None:
    """Check that what the documentation shows is what the commands print."""
    install(session)
    session.run("pytest", "tests/docs", *session.posargs)
