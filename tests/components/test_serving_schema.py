"""The service against its own OpenAPI document, by schemathesis: what is generated from it is answered as it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from serving_process import serving
from tiny_bundles import make_bundle

from foodbench.serving.openapi import PICTURES

pytestmark = pytest.mark.processes

DEADLINE_S = 240

HOOKS = {"SCHEMATHESIS_HOOKS": "image_strategies", "PYTHONPATH": str(Path(__file__).parents[1])}


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle")
    with serving(tmp_path / "bundle", "--threads", "2", "--read-timeout-s", "2") as service:
        report = tmp_path / "schemathesis.json"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json"]
        options = [
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
            [*command, *options],
            cwd=tmp_path,
            env=os.environ | HOOKS,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert service.process.poll() is None
        assert service.get("/test").json()["class"] == "Green"
    entries = json.loads(report.read_text())["log"]["entries"]
    statuses = {entry["response"]["status"] for entry in entries}
    assert all(status < 500 or status == 503 for status in statuses), statuses
    posts = [
        entry for entry in entries if entry["request"]["url"].endswith("/predict") and "postData" in entry["request"]
    ]
    sent = {(post["request"]["postData"]["mimeType"].split(";")[0], post["response"]["status"]) for post in posts}
    # Photographs of every kind were predicted, and what is none refused.
    assert {(kind, 200) for kind in (*PICTURES, "multipart/form-data")} <= sent
    assert 400 in statuses
