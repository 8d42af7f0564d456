"""The service against its own OpenAPI document, by schemathesis: what is generated from it is answered as it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from serving_process import serving
from tiny_bundles import make_bundle

pytestmark = pytest.mark.processes

DEADLINE_S = 240

NOT_CHECKED = "positive_data_acceptance"
"""A schema cannot say which bytes are a photograph: a PDF file sent as one is rightly refused."""


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle")
    with serving(tmp_path / "bundle", "--threads", "2", "--read-timeout-s", "2") as service:
        report = tmp_path / "schemathesis.json"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json"]
        options = [
            "--exclude-checks",
            NOT_CHECKED,
            "--mode",
            "all",
            "--max-examples",
            "50",
            "--seed",
            "1",
            "--generation-deterministic",
        ]
        options += ["--no-color", "--report", "har", "--report-har-path", str(report), "--request-timeout", "30"]
        done = subprocess.run(
            [*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert service.process.poll() is None
        assert service.get("/test").json()["class"] == "Green"
    statuses = {entry["response"]["status"] for entry in json.loads(report.read_text())["log"]["entries"]}
    assert statuses
    assert all(status < 500 or status == 503 for status in statuses), statuses
