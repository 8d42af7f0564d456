"""``foodbench delete``: remove deployments."""

from __future__ import annotations

from typing import Annotated

import typer

from foodbench.cli.options import DEFAULT_RESULTS, QuietOption, ResultsOption, VerboseOption

__all__ = ["delete"]


def delete(
    deployment: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="As `foodbench status` shows it. Default: all of them.")
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Remove what foodbench deployed from this results folder, and wait until it is gone.

    Processes that foodbench did not start are never touched. Models, bundles and results stay.

    Examples: foodbench delete · foodbench delete hpa-1a2b3c4d
    """
    from foodbench.cli.console import output
    from foodbench.cli.context import delete_deployment, open_store, open_target
    from foodbench.errors import InputError

    store = open_store(results)
    target = open_target(store)
    ids = [known.id for known in store.deployments()]
    if deployment is not None and deployment not in ids:
        raise InputError(f"there is no deployment {deployment}", f"There are: {', '.join(ids) or 'none'}")
    for known in [deployment] if deployment is not None else ids:
        delete_deployment(store, target, known)
        if not quiet:
            output().print(f"{known} is gone.")
    if not ids and not quiet:
        output().print(f"Nothing is deployed from {store.root}.")
