"""``foodbench doctor``: what this machine lacks, for what, and how to get it."""

from __future__ import annotations

from foodbench.cli.options import JsonOption, VerboseOption

__all__ = ["doctor"]


def doctor(as_json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Say what is here and what is missing, for what it is needed, and how to get it.

    Ends with 3 where something is missing that the four basic commands need.

    Examples: foodbench doctor · foodbench doctor --json
    """
    from rich.table import Table
    from rich.text import Text

    from foodbench.cli.console import output, print_json
    from foodbench.environment import examine
    from foodbench.errors import MachineError

    findings = examine()
    if as_json:
        print_json([finding.model_dump(mode="json") for finding in findings])
    else:
        table = Table(title="This machine", title_justify="left")
        for column in ("", "What", "Found", "Needed for", "How to get it"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            mark = "ok" if finding.present else ("missing" if finding.required else "-")
            table.add_row(
                mark, finding.name, Text(finding.found), finding.needed_for, "" if finding.present else finding.remedy
            )
        output().print(table)
    missing = [finding for finding in findings if finding.required and not finding.present]
    if missing:
        raise MachineError(f"{missing[0].name} is missing, needed for {missing[0].needed_for}", missing[0].remedy)
