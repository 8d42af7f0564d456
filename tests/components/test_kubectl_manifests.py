"""What is read here is what kubectl builds from the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import get_args

import pytest
import yaml

from foodbench.deploy.kubernetes.overlays import Document, read_overlay
from foodbench.process import run
from foodbench.records.experiments import Mode
from foodbench.shipped import shipped_directory


def by_identity(documents: Iterable[Document]) -> dict[tuple[str, str], Document]:
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


@pytest.mark.processes
@pytest.mark.parametrize("mode", get_args(Mode))
def test_kubectl_builds_the_same_objects(mode: Mode, require_program: Callable[[str], str]) -> None:
    kubectl = require_program("kubectl")
    built = run([kubectl, "kustomize", str(shipped_directory("manifests") / mode)], timeout_s=30).output
    ours = by_identity(read_overlay(mode))
    assert len(ours) >= 4
    assert by_identity(yaml.safe_load_all(built)) == ours
