"""Trains a model without each step of its recipe, and measures what the step did: accuracy and response time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foodbench.analysis.ablation import told_apart
from foodbench.errors import InputError
from foodbench.pipeline import ensure_bundles, ensure_models
from foodbench.progress import Progress
from foodbench.provenance import read_provenance
from foodbench.records.ablations import AblatedStep, Ablation
from foodbench.records.experiments import DataSpec, ModelSpec, Runtime
from foodbench.store import Store
from foodbench.training.ablation import Step, steps_of, without

if TYPE_CHECKING:
    from foodbench.records.bundles import ServingBundle
    from foodbench.records.models import ModelArtifact

__all__ = ["ablate"]


def ablate(
    data: DataSpec,
    spec: ModelSpec,
    store: Store,
    *,
    runtime: Runtime,
    rounds: int,
    weights_directory: Path | None,
    progress: Progress,
) -> Ablation:
    """Train ``spec`` in full and without each step, and compare them.

    The models are kept like any others. Response times are measured in ``rounds`` rounds, each of all models in
    turn and in fresh processes, so that what else the machine does meets them alike.

    Raises:
        InputError: The recipe has no step that could be left out, or was not followed: the model gets a token
            training only, or is a trained classifier already.
    """
    steps = steps_of(spec.recipe)
    if not steps:
        raise InputError(f"the recipe of {spec.name} has no step that could be left out", "Choose another model")
    specs = [spec, *(without(spec, step) for step in steps)]
    models = ensure_models(data, specs, store, weights_directory=weights_directory, progress=progress)
    if models[0].token_training_images is not None:
        raise InputError(
            f"the ImageNet weights of {spec.name} are not at hand, and a token training has no recipe to judge",
            "Give their folder with --weights",
        )
    _reached(models[0])
    bundles = ensure_bundles(data, [(model, runtime) for model in models], store, progress=progress)
    return _compared(steps, models, _latencies_ms(bundles, store, rounds, progress), runtime)


def _reached(model: ModelArtifact) -> float:
    """Return the validation accuracy that the recipe reached."""
    if model.validation_accuracy is None:
        raise InputError(
            f"{model.spec.name} is taken as it is, without a recipe", "Choose a model that is trained here"
        )
    return model.validation_accuracy


def _latencies_ms(
    bundles: Sequence[ServingBundle], store: Store, rounds: int, progress: Progress
) -> list[tuple[float, ...]]:
    from foodbench.packaging.measurement import measure_latency_ms

    taken: list[list[float]] = [[] for _ in bundles]
    for number in range(rounds):
        for place, bundle in enumerate(bundles):
            progress.step("Response times", number * len(bundles) + place, rounds * len(bundles))
            taken[place].append(measure_latency_ms(store.bundle_directory(bundle.digest)))
    progress.step("Response times", rounds * len(bundles), rounds * len(bundles))
    return [tuple(one) for one in taken]


def _compared(
    steps: Sequence[Step],
    models: Sequence[ModelArtifact],
    latencies_ms: Sequence[tuple[float, ...]],
    runtime: Runtime,
) -> Ablation:
    whole, *others = models
    return Ablation(
        model_name=whole.spec.name,
        model_digest=whole.digest,
        runtime=runtime,
        marks=whole.marks,
        images=whole.evaluation.images,
        validation_accuracy=_reached(whole),
        accuracy=whole.evaluation.accuracy,
        latencies_ms=latencies_ms[0],
        steps=tuple(
            _ablated(step, whole, model, taken_ms)
            for step, model, taken_ms in zip(steps, others, latencies_ms[1:], strict=True)
        ),
        provenance=read_provenance(),
    )


def _ablated(step: Step, whole: ModelArtifact, model: ModelArtifact, latencies_ms: tuple[float, ...]) -> AblatedStep:
    gained, lost = told_apart(whole.evaluation.right, model.evaluation.right)
    return AblatedStep(
        step=step.name,
        model_digest=model.digest,
        validation_accuracy=_reached(model),
        accuracy=model.evaluation.accuracy,
        gained=gained,
        lost=lost,
        latencies_ms=latencies_ms,
    )
