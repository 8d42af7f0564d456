"""Kubernetes objects as YAML text: equal objects give equal text, and every reader reads the same values from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from foodbench.errors import MachineError

__all__ = ["to_yaml"]

PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9./_-]*")

NOT_PLAIN = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
"""Words that some YAML reader takes for something else than text."""


def to_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return objects as YAML documents.

    Keys keep their order. Text is quoted unless it begins with a letter and has nothing special in it: YAML 1.1 and
    1.2 readers disagree on values such as 1234e5, which a digest may well be.

    Raises:
        MachineError: PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise MachineError("the package PyYAML is not installed", "Install foodbench[kubernetes]") from None

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - an object that occurs twice is written twice
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        plain = PLAIN.fullmatch(value) is not None and value.lower() not in NOT_PLAIN
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')

    Dumper.add_representer(str, text)
    return yaml.dump_all(
        list(documents), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=2**20, explicit_start=True
    )
