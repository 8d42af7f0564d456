"""``foodbench status``: what is deployed."""

from __future__ import annotations

from foodbench.cli.options import DEFAULT_RESULTS, JsonOption, ResultsOption, VerboseOption

__all__ = ["status"]


def status(
    results: ResultsOption = DEFAULT_RESULTS, as_json: JsonOption = False, verbose: VerboseOption = False
) -> None:
    """Show every deployment of this results folder, also those that a killed command left.

    Examples: foodbench status · foodbench status --json
    """
    from foodbench.cli.console import output, print_json
    from foodbench.cli.context import open_store, open_target
    from foodbench.cli.tables import deployments_table

    store = open_store(results)
    target = open_target(store)
    rows = [(deployment, target.state(deployment.id)) for deployment in store.deployments()]
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
