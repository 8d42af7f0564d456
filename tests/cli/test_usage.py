"""The real entry point: help, usage errors, exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from command_line import foodbench

from foodbench.cli.main import COMMANDS


def test_the_commands_stand_in_the_order_of_the_pipeline(tmp_path: Path) -> None:
    help_text = foodbench("--help", cwd=tmp_path).stdout
    positions = [help_text.index(f"│ {command} ") for command in COMMANDS]
    assert positions == sorted(positions)


@pytest.mark.parametrize(
    "command",
    [*((name,) for name in COMMANDS if name != "data"), ("data", "synth"), ("data", "check"), ("data", "show")],
)
def test_every_command_has_help_with_an_example(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = foodbench(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"foodbench {command[0]}" in done.stdout.split("Options")[0].replace("\n", " ")
    assert "Example" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "-e", "nowhere.toml"), "no experiment file nowhere.toml"),
        (("run", "--colour"), "--colour"),
        (("train", "--model", "resnet"), "quickstart has no model resnet"),
        (("ablate", "resnet"), "quickstart has no model resnet"),
        (("ablate", "mobilenetv2-0.35", "--runtime", "torch"), "received torch"),
        (("deploy", "--mode", "hpa"), "no model has been trained"),
        (("loadtest",), "nothing is deployed"),
        (("loadtest", "--deployment", "hpa-0"), "no deployment hpa-0"),
        (("report",), "nothing has been measured"),
        (("report", "yesterday"), "no run yesterday"),
        (("explain",), "nothing has been measured"),
        (("explain", "yesterday"), "no run yesterday"),
        (("delete", "hpa-0"), "no deployment hpa-0"),
        (("run", "--resume"), "no run of quickstart"),
        (("package",), "no model has been trained"),
        (("data", "check", "nowhere"), "nowhere"),
        (("data", "show", "nowhere"), "nowhere"),
        (("data", "show", "nowhere", "--split", "test"), "received test"),
        (("data", "show", "nowhere", "-o", "sheet.jpg"), "sheet.jpg. A contact sheet is a .png file"),
        (("train", "-e", "food101-10"), "--data PATH"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = foodbench(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_the_traceback_is_shown_on_request(tmp_path: Path) -> None:
    done = foodbench("report", "-v", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_dry_run_prints_every_cell_with_its_expected_time_and_writes_nothing(tmp_path: Path) -> None:
    done = foodbench("run", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    for name in ("mobilenetv2-0.35.litert.hpa.1", "1-5 at 40 %", "10 users, 50 s, /test", "Expected"):
        assert name in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_dry_run_as_json_is_the_resolved_experiment(tmp_path: Path) -> None:
    resolved = json.loads(foodbench("run", "--dry-run", "--json", cwd=tmp_path).stdout)
    assert resolved["name"] == "quickstart"
    assert {variant["mode"] for variant in resolved["variants"]} == {"single", "lb", "hpa"}


def test_status_of_an_empty_folder(tmp_path: Path) -> None:
    assert "Nothing is deployed" in foodbench("status", cwd=tmp_path).stdout
    assert json.loads(foodbench("status", "--json", cwd=tmp_path).stdout) == []


def test_delete_with_nothing_to_delete_is_no_error(tmp_path: Path) -> None:
    done = foodbench("delete", cwd=tmp_path)
    assert done.returncode == 0
    assert "Nothing is deployed" in done.stdout


def test_doctor_says_what_is_here(tmp_path: Path) -> None:
    findings = json.loads(foodbench("doctor", "--json", cwd=tmp_path).stdout)
    by_name = {finding["name"]: finding for finding in findings}
    assert by_name["Python"]["found"].startswith(sys.version.split()[0])
    assert all(finding["remedy"] for finding in findings)


def test_doctor_names_the_clusters_of_the_kubeconfig_and_asks_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = {"name": "far", "context": {"cluster": "far", "user": "me"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "far",
        "clusters": [{"name": "far", "cluster": {"server": "https://cluster.example.com"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [context],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    for file, found in ((tmp_path / "config", "far; current: far"), (tmp_path / "none", "no cluster is known")):
        monkeypatch.setenv("KUBECONFIG", str(file))
        findings = json.loads(foodbench("doctor", "--json", cwd=tmp_path).stdout)
        (clusters,) = [finding for finding in findings if finding["name"] == "Clusters"]
        assert found in clusters["found"]
        assert not clusters["required"]
