"""The Keras runtime, with a real .keras file, as a process."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving_process import DEADLINE_S, serving
from tiny_bundles import make_bundle, picture

from foodbench.serving.bundle import write_manifest

pytestmark = [pytest.mark.processes, pytest.mark.tensorflow]

MAKE_MODEL = """
import sys
import keras, numpy as np
model = keras.Sequential([
    keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax")
])
model.layers[-1].set_weights([np.eye(3) * 8, np.zeros(3)])
model.save(sys.argv[1])
"""

MAKE_HOSTILE = """
import sys
import keras
model = keras.Sequential([
    keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x), keras.layers.GlobalAveragePooling2D()
])
model.save(sys.argv[1])
"""


COLOURS = {"Red": (255, 0, 0), "Green": (0, 255, 0), "Blue": (0, 0, 255)}


def make_keras_bundle(directory: Path, program: str) -> None:
    manifest = make_bundle(directory)
    path = directory / "model.keras"
    subprocess.run(
        [sys.executable, "-c", program, str(path)], env=os.environ, timeout=120, check=True, capture_output=True
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    changed = dataclasses.replace(
        manifest, runtime="keras", weights_file=path.name, weights_sha256=digest, classes=("Red", "Green", "Blue")
    )
    write_manifest(directory, changed)


def test_a_keras_model_is_served(tmp_path: Path) -> None:
    make_keras_bundle(tmp_path, MAKE_MODEL)
    with serving(tmp_path, "--threads", "2") as service:
        for name, colour in COLOURS.items():
            assert service.post("/predict", picture(colour)).json()["class"] == name
        info = service.get("/info").json()
    assert (info["runtime"], info["precision"], info["workers"]) == ("keras", "float32", 2)


def test_images_computed_at_once_get_the_answers_they_get_alone(tmp_path: Path) -> None:
    make_keras_bundle(tmp_path, MAKE_MODEL)
    images = [*map(picture, COLOURS.values()), b"no image"]
    # The batch waits so long that only being full can end its wait.
    with serving(tmp_path, "--threads", "1", "--batch-size", "4", "--batch-wait-ms", "10000") as service:
        with ThreadPoolExecutor(len(images)) as clients:
            *together, malformed = clients.map(lambda image: service.post("/predict", image), images)
        info = service.get("/info").json()
        batches = [service.metric(f"foodbench_batch_images_{figure}") for figure in ("count", "sum")]
    with serving(tmp_path, "--threads", "1") as service:
        alone = [service.post("/predict", image).json() for image in images[:-1]]
    assert malformed.status_code == 400
    assert batches == [1, 3]
    assert (info["batch_size"], info["batch_wait_s"]) == (4, 10.0)
    for one, other, name in zip((answer.json() for answer in together), alone, COLOURS, strict=True):
        assert one["class"] == name
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)


def test_a_model_that_carries_code_is_refused(tmp_path: Path) -> None:
    make_keras_bundle(tmp_path, MAKE_HOSTILE)
    command = [sys.executable, "-m", "foodbench.serving", "--bundle", str(tmp_path), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 6
    assert "Keras cannot load" in done.stderr.splitlines()[-1]
