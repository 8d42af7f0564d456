import io

import builders
import pytest
from rich.console import Console

from foodbench.cli.tables import deployments_table


@pytest.mark.parametrize("width", [90, 120])
def test_a_deployments_url_is_not_broken_where_others_are(width: int) -> None:
    state = builders.deployment_state(url="http://127.0.0.1:42819")
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(deployments_table([(builders.deployment(), state)]))
    assert isinstance(console.file, io.StringIO)
    assert "http://127.0.0.1:42819" in console.file.getvalue()
