"""From packaged bundles to images that a cluster's nodes can run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from foodbench.deploy.kubernetes.image_loading import load_image, loading_command
from foodbench.deploy.kubernetes.reading import Plain
from foodbench.errors import InputError
from foodbench.packaging.image import (
    Engine,
    build_image,
    check_repository,
    find_engine,
    image_name,
    push_image,
    pushed_name,
)
from foodbench.progress import Progress
from foodbench.provenance import read_provenance
from foodbench.records.bundles import ServingBundle
from foodbench.records.experiments import Runtime, TargetSpec
from foodbench.store import Store

__all__ = ["bring_images", "image_for"]


def image_for(target: TargetSpec, model_name: str, runtime: Runtime, bundle_digest: str) -> str:
    """Return the name under which a cluster's nodes will know a bundle's image. Nothing is built."""
    if target.image is not None:
        return target.image
    name = image_name(model_name, runtime, bundle_digest)
    return name if target.push is None else pushed_name(name, target.push)


def bring_images(
    bundles: Iterable[ServingBundle],
    target: TargetSpec,
    nodes: tuple[Plain, ...],
    store: Store,
    *,
    progress: Progress,
) -> None:
    """Build the bundles' images and bring them to where a cluster's nodes find them, by the names of ``image_for``.

    Nothing is done where the target names an image.

    Args:
        bundles: Stored ones, without repeats.
        target: With its context resolved.
        nodes: The cluster's.
        store: Holds the bundles; gets the images' records.
        progress: Told how far it is.

    Raises:
        InputError: The image that is named cannot serve several bundles, or the nodes can be given none from here.
        MachineError: No engine builds images here, or the registry did not take one.
        RunFailed: An image could not be built or loaded.
    """
    wanted = tuple(bundles)
    if target.image is not None:
        _check_one(target.image, wanted)
        return
    if target.push is not None:
        check_repository(target.push)
    else:
        # Whether the nodes can be given an image shows before the long work of building it.
        loading_command(target.context or "", nodes, Path("image.tar"))
    engine = find_engine()
    provenance = read_provenance()
    for bundle in wanted:
        image = build_image(bundle, store, base=target.base, engine=engine, provenance=provenance, progress=progress)
        if target.push is not None:
            progress.say(f"Pushing it to {target.push}")
            push_image(image, target.push, store, engine=engine)
        else:
            progress.say(f"Loading it onto the nodes of context {target.context}")
            _load(image.tags[0], target.context or "", nodes, engine)


def _check_one(image: str, bundles: tuple[ServingBundle, ...]) -> None:
    if len(bundles) > 1:
        names = ", ".join(f"{bundle.model_name} in {bundle.runtime}" for bundle in bundles)
        raise InputError(
            f"one image, {image}, cannot serve {len(bundles)} bundles: {names}",
            "Leave the image out, so that each bundle's is built, or choose variants of one model and runtime",
        )


def _load(name: str, context: str, nodes: tuple[Plain, ...], engine: Engine) -> None:
    with tempfile.TemporaryDirectory(prefix="foodbench-image-") as folder:
        archive = Path(folder) / "image.tar"
        engine.save(name, archive)
        load_image(archive, context, nodes)
