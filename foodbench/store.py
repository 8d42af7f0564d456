"""The only reader and writer of results/.

    _models/<digest>/        model.json beside model.keras
    _models/.<digest>.unfinished/   what its training has reached, while it runs or after it was killed
    _arrays/<digest>/        a data set's images, decoded and resized
    _bundles/<digest>/       bundle.json beside the weights
    _images/<digest>/        image.json beside the bill of materials and the Containerfile
    _wheels/<digest>/        packages downloaded for images
    _data/<digest>/          data sets drawn or unpacked by foodbench
    _deployments/<id>/       deployment.json (intent), state.json, events.jsonl, decisions.jsonl, logs
    _current.json            what the bare commands act on
    <experiment>/<run>/      run.json, cells/<cell>/cell.json beside its streams, report files

A record is written to a temporary file in its own folder, synced, and renamed: it is there whole or
not at all. A folder counts as done only once its record is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from foodbench.errors import MachineError, RunFailed, StoreError
from foodbench.records.base import Record
from foodbench.records.bundles import ServingBundle
from foodbench.records.deployments import Deployment, DeploymentEvent, DeploymentState, ScalingDecision
from foodbench.records.images import ImageRef
from foodbench.records.models import ModelArtifact
from foodbench.records.runs import CellResult, Run

__all__ = ["SCHEMA_VERSION", "Current", "Store", "append_line", "read_lines", "read_record", "read_run", "write_record"]

SCHEMA_VERSION = 1
"""Of every record. Raised when a field changes its meaning or is removed."""

LARGEST_RECORD_BYTES = 64 * 2**20

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Current(Record):
    """What the commands without a name act on."""

    models: tuple[str, ...] = ()
    """Digests of the models trained last."""
    deployment: str | None = None
    run: tuple[str, str] | None = None
    """Experiment name and run id."""


def write_record(path: Path, record: Record, *, replace: bool = False) -> None:
    """Write ``record`` to ``path``, whole or not at all.

    Args:
        path: Where; its folder is made if need be.
        record: What.
        replace: Whether a record that is already there may be replaced.

    Raises:
        StoreError: A record is already there.
        MachineError: The disk is full or the folder cannot be written.
    """
    envelope = {"kind": type(record).__name__, "schema": SCHEMA_VERSION, "record": record.model_dump(mode="json")}
    text = json.dumps(envelope, indent=1, ensure_ascii=False) + "\n"
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise StoreError(f"{path} is already there", "Records are never overwritten; delete its folder first") from None
    except OSError as error:
        raise MachineError(
            f"cannot write {path}: {error.strerror or error}",
            "Free some disk space, or choose another folder with --results",
        ) from error


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read the record at ``path``.

    Raises:
        StoreError: It is missing, damaged, too large, or not a ``kind`` of this schema version.
    """
    try:
        if path.stat().st_size > LARGEST_RECORD_BYTES:
            raise StoreError(f"{path} is larger than {LARGEST_RECORD_BYTES} bytes", "No record of foodbench's is")
        envelope: Any = json.loads(path.read_text(encoding="utf-8"))
        found, schema, content = envelope["kind"], envelope["schema"], envelope["record"]
    except FileNotFoundError:
        raise StoreError(f"{path} is missing", "The stage that writes it has not finished") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is not a readable record: {error!r}", "Delete its folder and run again") from error
    if found != kind.__name__ or schema != SCHEMA_VERSION:
        raise StoreError(
            f"{path} holds a {found} of schema {schema}",
            f"This version of foodbench reads a {kind.__name__} of schema {SCHEMA_VERSION}",
        )
    try:
        # JSON mode: arrays become tuples, as they were before they were written.
        return kind.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"{path}: {where}: {first['msg']}", "Delete its folder and run again") from error


def append_line(path: Path, record: Record) -> None:
    """Append ``record`` to a file of JSON lines, in one write."""
    with path.open("ab", buffering=0) as file:
        file.write(record.model_dump_json().encode() + b"\n")


def read_lines(path: Path, kind: type[AnyRecord]) -> tuple[AnyRecord, ...]:
    """Read a file of JSON lines; a last line without its end (its writer was killed) is left out."""
    if not path.exists():
        return ()
    *whole, _unfinished = path.read_bytes().split(b"\n")
    try:
        return tuple(kind.model_validate_json(line) for line in whole)
    except ValidationError as error:
        raise StoreError(f"{path} has a line that is not a {kind.__name__}", "Delete its folder") from error


class Store:
    """The records under one results folder.

    Args:
        root: The folder; it need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    # What the bare commands act on.

    def current(self) -> Current:
        """Return what the commands without a name act on."""
        path = self.root / "_current.json"
        return read_record(path, Current) if path.exists() else Current()

    def set_current(self, current: Current) -> None:
        """Replace what the commands without a name act on."""
        write_record(self.root / "_current.json", current, replace=True)

    # Data sets, models, bundles: known by the digest of what they were made from.

    def data_directory(self, digest: str) -> Path:
        """Return the folder for a data set that foodbench draws or unpacks."""
        return self.root / "_data" / digest

    def arrays_directory(self, digest: str) -> Path:
        """Return the folder for a data set's decoded images."""
        return self.root / "_arrays" / digest

    def model_directory(self, digest: str) -> Path:
        """Return the folder of a model."""
        return self.root / "_models" / digest

    def save_model(self, artifact: ModelArtifact) -> None:
        """Write a model's record. Its files must be in its folder already."""
        write_record(self.model_directory(artifact.digest) / "model.json", artifact)

    def find_model(self, digest: str) -> ModelArtifact | None:
        """Return the model of that digest, or None where it was not trained to the end."""
        path = self.model_directory(digest) / "model.json"
        return read_record(path, ModelArtifact) if path.exists() else None

    def models(self) -> tuple[ModelArtifact, ...]:
        """Return every model that was trained to the end."""
        paths = sorted((self.root / "_models").glob("[!.]*/model.json"))
        return tuple(read_record(path, ModelArtifact) for path in paths)

    def training_report_directory(self, experiment_name: str) -> Path:
        """Return the folder of what an experiment's last training left for people."""
        return self.root / experiment_name / "training"

    def ablation_directory(self, experiment_name: str, model_name: str) -> Path:
        """Return the folder of what was last found out about the steps of a model's recipe."""
        return self.root / experiment_name / f"ablation-{model_name}"

    def bundle_directory(self, digest: str) -> Path:
        """Return the folder of a bundle."""
        return self.root / "_bundles" / digest

    def save_bundle(self, bundle: ServingBundle) -> None:
        """Write a bundle's record. Its files must be in its folder already."""
        write_record(self.bundle_directory(bundle.digest) / "bundle.json", bundle)

    def find_bundle(self, digest: str) -> ServingBundle | None:
        """Return the bundle of that digest, or None where it was not packaged to the end."""
        path = self.bundle_directory(digest) / "bundle.json"
        return read_record(path, ServingBundle) if path.exists() else None

    def wheels_directory(self, digest: str) -> Path:
        """Return the folder of packages downloaded for images."""
        return self.root / "_wheels" / digest

    def image_directory(self, digest: str) -> Path:
        """Return the folder of an image's record; the image itself is in its engine's storage."""
        return self.root / "_images" / digest

    def save_image(self, image: ImageRef) -> None:
        """Write an image's record, in place of an older one: it says where the image has been pushed to by now."""
        write_record(self.image_directory(image.digest) / "image.json", image, replace=True)

    def find_image(self, digest: str) -> ImageRef | None:
        """Return the record of the image of that digest, or None."""
        path = self.image_directory(digest) / "image.json"
        return read_record(path, ImageRef) if path.exists() else None

    @contextlib.contextmanager
    def fresh_directory(self, final: Path) -> Iterator[Path]:
        """Give a temporary folder that becomes ``final`` if the block ends well, and is removed otherwise.

        A folder that is already at ``final`` (left by a run that was killed) is replaced.
        """
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(4)}")
        temporary.mkdir()
        try:
            yield temporary
            if final.exists():
                shutil.rmtree(final)
            temporary.replace(final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @contextlib.contextmanager
    def unfinished_directory(self, final: Path) -> Iterator[Path]:
        """Give a folder, for this process alone, in which work on ``final`` keeps what it has reached.

        It is removed if the block ends well or its work has failed. Where the process is killed, or the
        machine lacks something, the next one finds it again, in that case without its arrays (*.npy),
        which are large and can be computed again.

        Raises:
            MachineError: Another process has it, or it cannot be made.
        """
        directory = final.with_name(f".{final.name}.unfinished")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = os.open(directory, os.O_RDONLY)
        except OSError as error:
            raise MachineError(f"cannot make {directory}: {error.strerror}", "Choose another --results") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise MachineError(f"another process works in {directory}", "Wait until it has ended") from None
        try:
            yield directory
        except RunFailed:
            shutil.rmtree(directory)
            raise
        except BaseException:
            for array in directory.glob("*.npy"):
                array.unlink()
            raise
        else:
            shutil.rmtree(directory)
        finally:
            os.close(lock)

    # Deployments.

    def deployment_directory(self, deployment_id: str) -> Path:
        """Return the folder of a deployment."""
        return self.root / "_deployments" / deployment_id

    def save_deployment(self, deployment: Deployment) -> None:
        """Write the intent to deploy, before any process is started."""
        write_record(self.deployment_directory(deployment.id) / "deployment.json", deployment)

    def deployments(self) -> tuple[Deployment, ...]:
        """Return every deployment that has a folder, oldest first."""
        paths = (self.root / "_deployments").glob("[!.]*/deployment.json")
        found = (read_record(path, Deployment) for path in paths)
        return tuple(sorted(found, key=lambda deployment: deployment.created_at))

    def find_deployment(self, deployment_id: str) -> Deployment | None:
        """Return the deployment of that id, or None."""
        path = self.deployment_directory(deployment_id) / "deployment.json"
        return read_record(path, Deployment) if path.exists() else None

    def deployment_state(self, deployment_id: str) -> DeploymentState | None:
        """Return a deployment's last written state, or None before its first."""
        path = self.deployment_directory(deployment_id) / "state.json"
        return read_record(path, DeploymentState) if path.exists() else None

    def deployment_events(self, deployment_id: str) -> tuple[DeploymentEvent, ...]:
        """Return what happened to a deployment so far."""
        return read_lines(self.deployment_directory(deployment_id) / "events.jsonl", DeploymentEvent)

    def scaling_decisions(self, deployment_id: str) -> tuple[ScalingDecision, ...]:
        """Return every sync of a deployment's autoscaler so far."""
        return read_lines(self.deployment_directory(deployment_id) / "decisions.jsonl", ScalingDecision)

    def keep_logs(self, deployment_id: str, directory: Path) -> None:
        """Move a deployment's logs into ``directory``, for whoever asks later why it went as it did."""
        logs = self.deployment_directory(deployment_id) / "logs"
        if logs.is_dir() and not (directory / "logs").exists():
            directory.mkdir(parents=True, exist_ok=True)
            shutil.move(logs, directory / "logs")

    def remove_deployment(self, deployment_id: str) -> None:
        """Remove a deployment's folder. Its processes must be gone."""
        shutil.rmtree(self.deployment_directory(deployment_id), ignore_errors=True)

    # Runs.

    def run_directory(self, experiment_name: str, run_id: str) -> Path:
        """Return the folder of a run."""
        return self.root / experiment_name / run_id

    def cell_directory(self, experiment_name: str, run_id: str, cell: str) -> Path:
        """Return the folder of a cell; its streams are written into it while it is measured."""
        return self.run_directory(experiment_name, run_id) / "cells" / cell

    def save_run(self, run: Run) -> None:
        """Write the record that begins a run."""
        write_record(self.run_directory(run.experiment.name, run.id) / "run.json", run)

    def save_cell(self, run: Run, cell: CellResult) -> None:
        """Write a cell's result."""
        write_record(self.cell_directory(run.experiment.name, run.id, cell.cell) / "cell.json", cell)

    def runs(self, experiment_name: str | None = None) -> tuple[Run, ...]:
        """Return all runs, oldest first."""
        pattern = f"{experiment_name or '[!_.]*'}/*/run.json"
        return tuple(sorted((read_record(path, Run) for path in self.root.glob(pattern)), key=lambda run: run.id))


def read_run(directory: Path) -> tuple[Run, tuple[CellResult, ...]]:
    """Read a run and its finished cells, in the order in which they were measured.

    Raises:
        StoreError: ``directory`` is not a run.
    """
    run = read_record(directory / "run.json", Run)
    paths = sorted((directory / "cells").glob("[!.]*/cell.json"), key=lambda path: path.stat().st_mtime_ns)
    return run, tuple(read_record(path, CellResult) for path in paths)
