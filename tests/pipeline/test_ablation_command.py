"""``foodbench ablate``, as a user would run it, on the smallest model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import TINY, foodbench

pytestmark = pytest.mark.tensorflow


def test_a_recipe_is_taken_apart(tmp_path: Path, base_weights: Path) -> None:
    experiment = tmp_path / "small.toml"
    text = TINY.read_text().replace('weights = "none"', f'weights = "{base_weights}"')
    recipe = 'fine_tuning = { epochs = 1 }\nearly_stopping_patience_epochs = "none"'
    experiment.write_text(text.replace("fine_tuning = { epochs = 0 }", recipe))
    done = foodbench("ablate", "small", "-e", str(experiment), "--rounds", "2", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [step["step"] for step in told["steps"]] == [
        "Fine-tuning of the last 5 layers",
        "Reduced learning rate of fine-tuning",
    ]
    for step in told["steps"]:
        net = step["gained"] - step["lost"]
        assert net == round((told["accuracy"] - step["accuracy"]) * told["images"])
        assert len(step["latencies_ms"]) == 2
        assert min(step["latencies_ms"]) > 0
    assert len({told["model_digest"], *(step["model_digest"] for step in told["steps"])}) == 3
    folder = tmp_path / "results" / "tiny" / "ablation-small"
    assert "Fine-tuning of the last 5 layers" in (folder / "ablation.md").read_text()
    assert "| Fine-tuning of the last 5 layers |" in (folder / "ablation.md").read_text()
