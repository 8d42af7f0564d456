"""``foodbench status``: what is deployed."""

from __future__ import annotations

from foodbench.cli.options import (
    DEFAULT_RESULTS,
    ContextOption,
    JsonOption,
    NamespaceOption,
    ResultsOption,
    TargetOption,
    VerboseOption,
)

__all__ = ["status"]


def status(
    target: TargetOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show every deployment of this results folder, also those that a killed command left.

    Each is asked for where it was deployed to. With a target, only those there are shown, and what other results
    folders have there is named.

    Examples: foodbench status · foodbench status --json · foodbench status --context kind-kind
    """
    from foodbench.cli.console import output, print_json, remarks
    from foodbench.cli.context import open_store
    from foodbench.cli.tables import deployments_table
    from foodbench.cli.targets import named_place, target_of

    store = open_store(results)
    place = named_place(store, target=target, context=context, namespace=namespace)
    known = [deployment for deployment in store.deployments() if place is None or place.holds(deployment)]
    rows = [(deployment, target_of(deployment, store).state(deployment.id)) for deployment in known]
    others = set() if place is None else set(place.target.present()) - {deployment.id for deployment in known}
    if others:
        remarks().print(f"Of other results folders: {', '.join(sorted(others))}", markup=False)
    if as_json:
        print_json(
            [
                {
                    "deployment": deployment.model_dump(mode="json"),
                    "state": None if state is None else state.model_dump(mode="json"),
                }
                for deployment, state in rows
            ]
        )
        return
    if not rows:
        output().print(f"Nothing is deployed from {store.root}.")
        return
    output().print(deployments_table(rows))
