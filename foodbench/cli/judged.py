"""Which model a command means: one that foodbench trained, or a Keras file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from foodbench.errors import InputError

if TYPE_CHECKING:
    from foodbench.records.models import ModelArtifact
    from foodbench.store import Store
    from foodbench.training.judging import JudgedModel

__all__ = ["ModelArgument", "ScalingOption", "find_judged"]

ModelArgument = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Name or digest of a trained model, or the path of a .keras file."),
]
ScalingOption = Annotated[
    str | None,
    typer.Option(
        "--scaling",
        metavar="NAME",
        help="Of a .keras file: zero-to-one, minus-one-to-one or caffe, as it was trained with.",
    ),
]


def find_judged(store: Store, text: str, scaling: str | None) -> tuple[JudgedModel, ModelArtifact | None]:
    """Return the model that ``text`` means, and its record where foodbench trained it.

    A name means the one trained last; of models not trained last, the newest.

    Raises:
        InputError: There is none, or a file's scaling was not given.
    """
    from foodbench.training.judging import JudgedModel

    path = Path(text)
    if path.suffix == ".keras":
        return _own_file(path, scaling), None
    if scaling is not None:
        raise InputError(f"--scaling is of a .keras file; {text} is a trained model", "Leave it out")
    artifact = _stored(store, text)
    if artifact.spec.scaling is None:
        raise InputError(f"the record of model {text} lacks its scaling", "Train it again")
    keras_path = store.model_directory(artifact.digest) / artifact.keras_file
    return JudgedModel(keras_path, artifact.spec.name, artifact.spec.scaling, artifact.dataset.classes), artifact


def _own_file(path: Path, scaling: str | None) -> JudgedModel:
    from foodbench.imaging import Scaling
    from foodbench.training.judging import JudgedModel

    if not path.is_file():
        raise InputError(f"there is no file {path}", "Give the path of a .keras file, or a trained model's name")
    choices = get_args(Scaling)
    for choice in choices:
        if choice == scaling:
            return JudgedModel(path, path.stem, choice)
    received = "nothing" if scaling is None else scaling
    raise InputError(
        f"how {path.name} wants its pixels scaled does not stand in it; --scaling received {received}",
        f"Give --scaling {', '.join(choices)}: a wrong one gives a low accuracy and no error",
    )


def _stored(store: Store, text: str) -> ModelArtifact:
    models = store.models()
    last = set(store.current().models)
    found = [model for model in models if text in (model.spec.name, model.digest)]
    if not found:
        names = ", ".join(sorted({model.spec.name for model in models})) or "none"
        raise InputError(f"there is no model {text} in {store.root}", f"It has {names}; or give a .keras file")
    return max(found, key=lambda model: (model.digest in last, model.provenance.created_at))
