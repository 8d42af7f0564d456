"""What several commands work out from their options, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from foodbench.errors import InputError

if TYPE_CHECKING:
    from foodbench.records.datasets import Split
    from foodbench.records.experiments import Experiment, Mode, ModelSpec, Runtime
    from foodbench.records.models import ModelArtifact
    from foodbench.store import Store

__all__ = [
    "current_models",
    "find_model_spec",
    "find_run",
    "open_experiment",
    "open_store",
    "parse_mode",
    "parse_runtime",
    "parse_split",
]


def open_store(results: Path) -> Store:
    """Return the store at ``results``."""
    from foodbench.store import Store

    return Store(results)


def open_experiment(path_or_name: str, data: str | None, seed: int | None = None) -> Experiment:
    """Read the experiment that the options mean."""
    from foodbench.experiment import read_experiment
    from foodbench.shipped import find_experiment

    return read_experiment(find_experiment(path_or_name), data_path=data, seed=seed)


def current_models(store: Store) -> tuple[ModelArtifact, ...]:
    """Return the models trained last.

    Raises:
        InputError: None was.
    """
    artifacts = [store.find_model(digest) for digest in store.current().models]
    found = tuple(artifact for artifact in artifacts if artifact is not None)
    if not found:
        raise InputError(f"no model has been trained into {store.root}", "Train one first: foodbench train")
    return found


def find_model_spec(experiment: Experiment, name: str) -> ModelSpec:
    """Return the model of that name.

    Raises:
        InputError: The experiment has none.
    """
    try:
        return experiment.model(name)
    except KeyError:
        names = ", ".join(spec.name for spec in experiment.models)
        raise InputError(f"{experiment.name} has no model {name}", f"It has {names}") from None


def parse_runtime(name: str) -> Runtime:
    """Return the runtime called ``name``.

    Raises:
        InputError: There is no such runtime.
    """
    from foodbench.records.experiments import Runtime

    for runtime in get_args(Runtime):
        if runtime == name:
            return runtime  # type: ignore[no-any-return]
    raise InputError(f"--runtime: received {name}", f"Choose one of {', '.join(get_args(Runtime))}")


def parse_mode(name: str) -> Mode:
    """Return the deployment mode called ``name``.

    Raises:
        InputError: There is no such mode.
    """
    from foodbench.records.experiments import Mode

    for mode in get_args(Mode):
        if mode == name:
            return mode  # type: ignore[no-any-return]
    raise InputError(f"--mode: received {name}", f"Choose one of {', '.join(get_args(Mode))}")


def parse_split(name: str) -> Split:
    """Return the split called ``name``.

    Raises:
        InputError: There is no such split.
    """
    from foodbench.records.datasets import SPLITS

    for split in SPLITS:
        if split == name:
            return split
    raise InputError(f"--split: received {name}", f"Choose one of {', '.join(SPLITS)}")


def find_run(store: Store, run: str | None) -> Path:
    """Return the folder of the run that is meant: the current one, or one by its folder or id.

    Raises:
        InputError: There is no such run.
    """
    if run is None:
        current = store.current().run
        if current is None:
            raise InputError(f"nothing has been measured into {store.root}", "Measure first: foodbench loadtest")
        return store.run_directory(*current)
    path = Path(run)
    if (path / "run.json").exists():
        return path
    matching = [known for known in store.runs() if known.id == run]
    if not matching:
        raise InputError(f"there is no run {run} in {store.root}", "Give the folder that holds its run.json")
    return store.run_directory(matching[0].experiment.name, matching[0].id)
