"""``foodbench delete``: remove deployments."""

from __future__ import annotations

from typing import Annotated

import typer

from foodbench.cli.options import (
    DEFAULT_RESULTS,
    ContextOption,
    NamespaceOption,
    QuietOption,
    ResultsOption,
    TargetOption,
    VerboseOption,
)

__all__ = ["delete"]


def delete(
    deployment: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="As `foodbench status` shows it. Default: all of this folder.")
    ] = None,
    target: TargetOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Remove what foodbench deployed from this results folder, and wait until it is gone.

    Each is removed from where it was deployed to. With a target and an ID also what another results folder left
    there, for example one that is lost. What foodbench did not make is never touched. Models, bundles and results stay.

    Examples: foodbench delete · foodbench delete hpa-1a2b3c4d --context kind-kind
    """
    from foodbench.cli.console import output, remarks
    from foodbench.cli.context import open_store
    from foodbench.cli.leftovers import delete_deployment, described
    from foodbench.cli.targets import named_place, target_of
    from foodbench.errors import InputError

    store = open_store(results)
    place = named_place(store, target=target, context=context, namespace=namespace)
    known = {one.id: one for one in store.deployments() if place is None or place.holds(one)}
    gone = []
    if deployment is None or deployment in known:
        for one in known.values() if deployment is None else [known[deployment]]:
            remarks().print(f"Deleting {described(one)}", markup=False)
            delete_deployment(store, target_of(one, store), one.id)
            gone.append(one.id)
    elif place is not None and deployment in place.target.present():
        place.target.delete(deployment)
        gone.append(deployment)
    else:
        there = ", ".join(sorted({*known, *(() if place is None else place.target.present())}))
        raise InputError(f"there is no deployment {deployment}", f"There are: {there or 'none'}")
    if quiet:
        return
    for name in gone:
        output().print(f"{name} is gone.")
    if not gone:
        output().print(f"Nothing is deployed from {store.root}.")
