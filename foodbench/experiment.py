"""Reads experiments/*.toml into one frozen, validated Experiment. Nothing is left to default later."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from foodbench.errors import InputError
from foodbench.quantities import parse_bytes, parse_cores, parse_duration_s
from foodbench.records.experiments import (
    Autoscaling,
    DataSpec,
    Experiment,
    LoadProfile,
    Mode,
    ModelSpec,
    Packaging,
    Resources,
    Runtime,
    Serving,
    SyntheticData,
    TargetSpec,
    Variant,
)

__all__ = ["make_variant", "read_experiment"]

LARGEST_FILE_BYTES = 2**20


def _quantity(parse: Callable[[str], float], example: str) -> BeforeValidator:
    def read(value: object) -> float:
        if not isinstance(value, str):
            # pydantic reports a ValueError beside the key; a TypeError would escape it.
            raise ValueError(f"should be text with a unit, in quotes, such as {example!r}")  # noqa: TRY004
        return parse(value)

    return BeforeValidator(read)


def _cores(value: object) -> float:
    return parse_cores(value if isinstance(value, str) else str(value))


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Duration = Annotated[float, _quantity(parse_duration_s, "30s")]
Bytes = Annotated[int, _quantity(parse_bytes, "512Mi")]
Cores = Annotated[float, BeforeValidator(_cores)]


class _Table(BaseModel):
    """A table of the file: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Data(_Table):
    label: str | None = Field(default=None, min_length=1, max_length=60)
    """Without it the set is called by the name of its folder or archive."""
    path: str | None = None
    synthetic: SyntheticData | None = None


class _Resources(_Table):
    cpu: Cores = 0.25
    cpu_request: Cores | None = None
    memory: Bytes = 512 * 2**20


class _Load(_Table):
    users: int = 10
    duration: Duration = 30.0
    hpa_duration: Duration | None = None
    path: str = "/test"
    connection: Literal["close", "keep-alive"] = "close"
    timeout: Duration = 30.0
    warm_up_requests: int = 5
    stop_after_failures: int | None = None


class _Variants(_Table):
    """One entry stands for every combination of its models, runtimes and modes; with a name, for exactly one."""

    name: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=80)
    model: Annotated[list[str], BeforeValidator(_listed)] | None = None
    runtime: Annotated[list[Runtime], BeforeValidator(_listed)] = ["litert"]
    mode: Annotated[list[Mode], BeforeValidator(_listed)] = ["single"]
    replicas: int | None = Field(default=None, ge=1, le=100)
    hpa: Autoscaling | None = None
    resources: _Resources | None = None
    serving: Serving = Serving()


class _File(_Table):
    name: str
    title: str = ""
    data: _Data
    models: list[ModelSpec] = Field(min_length=1)
    resources: _Resources = _Resources()
    variants: list[_Variants] = Field(min_length=1)
    package: Packaging = Packaging()
    load: _Load = _Load()
    target: TargetSpec = TargetSpec()
    repeats: int = 1
    generator_reserve: Cores = 0.5


def read_experiment(path: Path, *, data_path: str | None = None, seed: int | None = None) -> Experiment:
    """Read an experiment file.

    Args:
        path: The file.
        data_path: Takes the place of the file's ``data.path``, so that a file need not name a
            folder of one machine.
        seed: Takes the place of every recipe's.

    Raises:
        InputError: It cannot be read, or something in it is not right; names the key, the value
            received and what would be right.
    """
    content = _read_toml(path)
    _spread_recipe(content, seed)
    try:
        file = _File.model_validate(content)
        return _resolve(file, data_path)
    except ValidationError as error:
        raise InputError(f"{path.name}: {_first_problem(error)}") from error
    except ValueError as error:
        raise InputError(f"{path.name}: {error}") from error


def make_variant(
    model: str,
    runtime: Runtime,
    mode: Mode,
    resources: Resources,
    *,
    replicas: int | None = None,
    autoscaling: Autoscaling | None = None,
    serving: Serving = Serving(),  # noqa: B008 -- it cannot be changed
    name: str | None = None,
) -> Variant:
    """Return a variant with the numbers its mode implies.

    Args:
        model: Name of the model.
        runtime: What computes the prediction.
        mode: Deployment mode.
        resources: Of one replica.
        replicas: Only for mode lb; 3 if not given.
        autoscaling: Only for mode hpa; 1 to 5 replicas at 40 % CPU if not given.
        serving: How a replica is probed, and what it lets wait.
        name: Of its own; model, runtime and mode if not given.

    Raises:
        ValueError: A number that the mode has no use for, or that contradicts another.
    """
    if mode != "hpa" and autoscaling is not None:
        raise ValueError(f"hpa = {{…}} goes with mode hpa only; received mode {mode}")
    if mode != "lb" and replicas is not None:
        raise ValueError(f"replicas = {replicas} goes with mode lb only; received mode {mode}")
    if mode == "lb" and replicas == 1:
        raise ValueError("replicas = 1 leaves nothing to balance; give mode lb at least 2, or choose mode single")
    if mode == "hpa":
        autoscaling = autoscaling or Autoscaling()
        if autoscaling.max_replicas < autoscaling.min_replicas:
            raise ValueError(
                f"hpa.max_replicas = {autoscaling.max_replicas} is below hpa.min_replicas = {autoscaling.min_replicas}"
            )
    at_start = {"single": 1, "lb": replicas or 3, "hpa": autoscaling.min_replicas if autoscaling else 1}[mode]
    return Variant(
        name=name or f"{model}.{runtime}.{mode}",
        model=model,
        runtime=runtime,
        mode=mode,
        replicas=at_start,
        autoscaling=autoscaling,
        resources=resources,
        serving=serving,
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise InputError(f"{path} is larger than {LARGEST_FILE_BYTES} bytes", "No experiment file is")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "Give the path of a .toml file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not TOML: {error}") from error


def _spread_recipe(content: dict[str, Any], seed: int | None) -> None:
    """Let the file's own [recipe] be the default of every model's, and "none" stand for no augmentation or early stopping.

    A seed given here is every recipe's.
    """
    shared = content.pop("recipe", {})
    models = content.get("models")
    for model in models if isinstance(models, list) else []:
        if not isinstance(model, dict):
            continue
        recipe = {**shared, **model.get("recipe", {})}
        for key in ("augmentation", "early_stopping_patience_epochs"):
            if recipe.get(key) == "none":
                recipe[key] = None
        if seed is not None:
            recipe["seed"] = seed
        model["recipe"] = recipe


def _resolve(file: _File, data_path: str | None) -> Experiment:
    names = [model.name for model in file.models]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"models: two are named {name}; each needs a name of its own")
    variants = tuple(itertools.chain.from_iterable(_expand(entry, file, names) for entry in file.variants))
    variant_names = [variant.name for variant in variants]
    for name in variant_names:
        if variant_names.count(name) > 1:
            raise ValueError(f"variants: {name} is asked for twice; leave one out")
    load = LoadProfile(
        users=file.load.users,
        duration_s=file.load.duration,
        path=file.load.path,
        connection=file.load.connection,
        timeout_s=file.load.timeout,
        warm_up_requests=file.load.warm_up_requests,
        stop_after_failures=file.load.stop_after_failures,
    )
    if file.target.name == "local" and (others := sorted(file.target.model_fields_set - {"name"})):
        raise ValueError(
            f'target.{others[0]} is of target kubernetes; set name = "kubernetes" beside it, or leave it out'
        )
    return Experiment(
        name=file.name,
        title=file.title or file.name,
        data=_resolve_data(file.data, data_path),
        models=tuple(file.models),
        variants=variants,
        load=load,
        hpa_load=load.model_copy(update={"duration_s": file.load.hpa_duration or load.duration_s}),
        packaging=file.package,
        target=file.target,
        repeats=file.repeats,
        generator_reserve_cores=file.generator_reserve,
    )


def _resolve_data(data: _Data, data_path: str | None) -> DataSpec:
    if data.synthetic is not None:
        if data.path is not None:
            raise ValueError("data: path and synthetic exclude each other; leave one out")
        return DataSpec(label=data.label or "synthetic images", synthetic=data.synthetic)
    # A missing path is an error only for the stages that read photographs.
    path = data_path or data.path
    return DataSpec(label=data.label or (_plain_name(path) if path else "photographs"), path=path)


def _plain_name(path: str) -> str:
    """Return the name of a folder or archive, without ``.zip``, ``.tar.gz`` and the like."""
    name = Path(path).resolve().name
    for suffix in (".gz", ".bz2", ".xz", ".tar", ".tgz", ".zip"):
        name = name.removesuffix(suffix)
    return name[:60] or "photographs"


def _expand(entry: _Variants, file: _File, names: list[str]) -> list[Variant]:
    for model in entry.model or []:
        if model not in names:
            raise ValueError(f"variants.model: there is no model {model}; the file has {', '.join(names)}")
    table = entry.resources or file.resources
    request = table.cpu_request if table.cpu_request is not None else table.cpu
    if request > table.cpu:
        raise ValueError(f"resources.cpu_request = {request:g} cores is above the limit, cpu = {table.cpu:g} cores")
    resources = Resources(cpu_request_cores=request, cpu_limit_cores=table.cpu, memory_limit_bytes=table.memory)
    combinations = tuple(itertools.product(entry.model or names, entry.runtime, entry.mode))
    if entry.name is not None and len(combinations) > 1:
        raise ValueError(
            f"variants.name = {entry.name!r} is for one variant, and the entry stands for {len(combinations)}; "
            "give it one model, one runtime and one mode"
        )
    return [
        make_variant(
            model,
            runtime,
            mode,
            resources,
            replicas=entry.replicas if mode == "lb" or len(entry.mode) == 1 else None,
            autoscaling=entry.hpa if mode == "hpa" or len(entry.mode) == 1 else None,
            serving=entry.serving,
            name=entry.name,
        )
        for model, runtime, mode in combinations
    ]


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key} is not a key that foodbench knows. Leave it out, or look for a slip of the pen"
    if first["type"] == "missing":
        return f"{key} is missing. Add it"
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: received {first['input']!r}; {message[0].lower()}{message[1:]}"
