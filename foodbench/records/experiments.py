"""What an experiment asks for, fully resolved: data, models, variants, load."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from foodbench.records.base import Record
from foodbench.records.names import Runtime

__all__ = [
    "LARGEST_ACCURACY_LOSS",
    "Augmentation",
    "Autoscaling",
    "DataSpec",
    "Experiment",
    "FineTuning",
    "HeadTraining",
    "LoadProfile",
    "Mode",
    "ModelSpec",
    "Packaging",
    "Recipe",
    "Resources",
    "Runtime",
    "ServiceType",
    "Serving",
    "SyntheticData",
    "TargetName",
    "TargetSpec",
    "TokenTraining",
    "Variant",
]

KERAS_SUFFIX = ".keras"
"""A backbone that ends so is a file of the user's own."""

LARGEST_ACCURACY_LOSS = 0.015
"""What a runtime may lose against the Keras model unless an experiment says otherwise: 1.5 points."""

Mode = Literal["single", "lb", "hpa"]
"""One replica; a fixed number behind a load balancer; as many as the HPA algorithm asks for."""


TargetName = Literal["local", "kubernetes"]

ServiceType = Literal["NodePort", "LoadBalancer", "ClusterIP"]
"""Of Kubernetes: reached by a port of its nodes, by an address of its own, or by a port-forward only."""


class TargetSpec(Record):
    """Where variants are deployed. All but ``name`` is of target kubernetes."""

    name: TargetName = "local"
    context: str | None = None
    """Of the kubeconfig; None for its current one, provided that it is a cluster on this machine."""
    namespace: str = "foodbench"
    service: ServiceType = "NodePort"
    image: str | None = None
    """That the nodes can pull or have; None for one built from the bundle and brought there."""
    push: str | None = None
    """Registry and name that the built image is pushed to; None to load it onto the nodes."""
    base: str = "python:3.13-slim"
    """That the image is built upon."""


class SyntheticData(Record):
    """How to draw the synthetic 11-class set. Equal values draw equal images."""

    seed: int = 7
    image_size_px: int = Field(default=96, ge=16, le=1024)
    training_images_per_class: int = Field(default=60, ge=2)
    validation_images_per_class: int = Field(default=20, ge=1)
    evaluation_images_per_class: int = Field(default=20, ge=1)


class DataSpec(Record):
    """Where the photographs come from.

    Exactly one of ``path`` (a folder or a zip or tar archive, in Food-11's own layout or in class
    folders) and ``synthetic`` is given. ``label`` names the set wherever its accuracy is shown.
    """

    label: str
    path: str | None = None
    synthetic: SyntheticData | None = None


class Augmentation(Record):
    """Random changes of a training image. Fractions are of the image's side, 0 leaves a step out."""

    rotation_degrees: float = Field(default=20.0, ge=0, le=180)
    zoom_fraction: float = Field(default=0.2, ge=0, lt=1)
    shift_fraction: float = Field(default=0.1, ge=0, lt=1)
    shear_degrees: float = Field(default=10.0, ge=0, le=45)
    horizontal_flip: bool = True


LearningRateSchedule = Literal["constant", "cosine"]
"""As given, or from it down to 0 over the phase's epochs (Keras' CosineDecay)."""


class HeadTraining(Record):
    """First phase: the softmax head is trained, the base is frozen."""

    epochs: int = Field(default=20, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    learning_rate_schedule: LearningRateSchedule = "constant"


class FineTuning(Record):
    """Second phase: the last ``unfrozen_layers`` layers of the base are trained too."""

    epochs: int = Field(default=5, ge=0)
    learning_rate: float = Field(default=1e-5, gt=0)
    learning_rate_schedule: LearningRateSchedule = "constant"
    unfrozen_layers: int = Field(default=5, ge=0)


class Recipe(Record):
    """How a model is trained. The defaults are the two-phase recipe of the report."""

    seed: int = Field(default=1, ge=0, lt=2**31)
    batch_size: int = Field(default=32, ge=1)
    augmentation: Augmentation | None = Augmentation()
    augmentation_draws: int | None = Field(default=None, ge=1, le=1000)
    """Augmented versions of the training images that pass the frozen layers once; an epoch takes one of what
    came out after the other. None augments anew in every epoch, and passes all layers."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target that is spread over all classes (Keras' categorical cross-entropy)."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the pooled features that is left out before the head while training."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Of Keras' AdamW; 0 is Adam."""
    head: HeadTraining = HeadTraining()
    fine_tuning: FineTuning = FineTuning()
    early_stopping_patience_epochs: int | None = Field(default=4, ge=1)
    """Epochs without a lower validation loss that end a phase; the weights of the lowest are kept. None trains
    every epoch and keeps the last weights."""


class TokenTraining(Record):
    """How a model is trained whose speed and memory are wanted, but whose ImageNet weights are not at hand.

    From random weights no affordable training would reach the accuracy of the architecture, so this is only
    enough to leave a model that can be packaged and served. It takes the place of the recipe.
    """

    images_per_class: int = Field(default=8, ge=1)
    """Of each split, for evaluation and calibration too."""
    epochs: int = Field(default=1, ge=1)


class ModelSpec(Record):
    """A model to train.

    ``weights`` is ``"imagenet"``, ``"none"`` (random, marked so wherever its accuracy shows),
    ``"imagenet-or-random"`` (random where ImageNet's are not at hand, with token training instead of the
    recipe, marked so) or the path of a weights file. ``scaling`` is None for the backbone's own preprocessing.
    A backbone that is a file brings its weights with it, which is ``"file"``, and says no scaling by itself.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=40)
    backbone: str
    """A name of keras.applications, or the path of a .keras file: a base without top, or a trained classifier."""
    width: float | None = Field(default=None, gt=0, le=2)
    input_size_px: int = Field(default=224, ge=32, le=1024)
    weights: str = "imagenet"
    scaling: Literal["zero-to-one", "minus-one-to-one", "caffe"] | None = None
    recipe: Recipe = Recipe()
    token_training: TokenTraining = TokenTraining()

    @model_validator(mode="before")
    @classmethod
    def _take_weights_of_own_file(cls, given: Any) -> Any:
        if isinstance(given, dict) and "weights" not in given and _is_keras_file(given.get("backbone")):
            return {**given, "weights": "file"}
        return given

    @property
    def has_own_file(self) -> bool:
        """Whether the backbone is a Keras file of the user's own."""
        return _is_keras_file(self.backbone)


class Resources(Record):
    """CPU and memory of one replica, as a pod would request and be limited to."""

    cpu_request_cores: float = Field(gt=0)
    cpu_limit_cores: float = Field(gt=0)
    memory_limit_bytes: int = Field(gt=0)


class Autoscaling(Record):
    """Bounds and target of the HorizontalPodAutoscaler."""

    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=5, ge=1)
    target_cpu_percent: float = Field(default=40.0, gt=0)
    """Mean CPU usage of the replicas as a percentage of their request."""


class Serving(Record):
    """How a replica is asked whether it is ready, and how many requests it lets wait.

    The defaults are those of ``manifests/``: a readiness probe that runs no prediction.
    """

    readiness_path: str = Field(default="/readyz", pattern=r"^/\S*$", max_length=200)
    readiness_period_s: int = Field(default=2, ge=1, le=3600)
    readiness_timeout_s: int = Field(default=5, ge=1, le=3600)
    """Whole seconds, as a pod's."""
    readiness_failure_threshold: int = Field(default=3, ge=1, le=100)
    """Failures in a row that take a replica out of the load balancer; one success brings it back."""
    queue_capacity: int | None = Field(default=None, ge=0, le=1_000_000)
    """Requests that may wait for a worker; 0 for no bound, None for the service's own."""


class Variant(Record):
    """One answer to try: model, runtime, deployment mode, resources."""

    name: str
    model: str
    runtime: Runtime
    mode: Mode
    replicas: int = Field(ge=1)
    """Replicas at the start; in mode hpa the minimum."""
    autoscaling: Autoscaling | None = None
    resources: Resources
    serving: Serving = Serving()

    @property
    def most_replicas(self) -> int:
        """The most replicas this variant can ever have."""
        return self.replicas if self.autoscaling is None else self.autoscaling.max_replicas


class Packaging(Record):
    """What a packaged model must hold to."""

    largest_accuracy_loss: float = Field(default=LARGEST_ACCURACY_LOSS, ge=0, le=1)
    """A runtime that loses more against its Keras model, as a fraction, is flagged wherever it is shown."""


class LoadProfile(Record):
    """A closed loop: each user sends a request, waits for the answer, and sends the next."""

    users: int = Field(default=10, ge=1, le=10_000)
    duration_s: float = Field(default=30.0, gt=0, le=86_400)
    path: str = Field(default="/test", pattern=r"^/")
    connection: Literal["close", "keep-alive"] = "close"
    timeout_s: float = Field(default=30.0, gt=0)
    warm_up_requests: int = Field(default=5, ge=0)
    """Sent one by one before the measurement; not part of it."""
    stop_after_failures: int | None = Field(default=None, ge=1)
    """End the load early, after this many failures; siege does by default, after 1,024. None goes on to the end."""


class Experiment(Record):
    """A whole experiment, resolved: nothing is left to default later."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    title: str
    data: DataSpec
    models: tuple[ModelSpec, ...]
    variants: tuple[Variant, ...]
    load: LoadProfile
    hpa_load: LoadProfile
    """The load for variants in mode hpa, which need longer to show what they do."""
    packaging: Packaging = Packaging()
    target: TargetSpec = TargetSpec()
    repeats: int = Field(default=1, ge=1, le=100)
    generator_reserve_cores: float = Field(default=0.5, ge=0)
    """Cores kept for the load generator and the load balancer when replicas are sized."""

    def model(self, name: str) -> ModelSpec:
        """Return the model called ``name``.

        Raises:
            KeyError: No model of that name.
        """
        return {model.name: model for model in self.models}[name]

    def load_for(self, variant: Variant) -> LoadProfile:
        """Return the load that ``variant`` is measured with."""
        return self.hpa_load if variant.mode == "hpa" else self.load


def _is_keras_file(backbone: object) -> bool:
    return isinstance(backbone, str) and backbone.lower().endswith(KERAS_SUFFIX)
