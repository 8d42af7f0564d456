"""The image stage: from a stored bundle to an image in an engine's storage, and its record."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path

from foodbench.errors import InputError, MachineError, RunFailed
from foodbench.packaging.image.base import examine_base
from foodbench.packaging.image.containerfile import BUNDLE_DIRECTORY
from foodbench.packaging.image.context import code_digest, write_context
from foodbench.packaging.image.engines import Engine
from foodbench.packaging.image.labels import image_labels
from foodbench.packaging.image.sbom import bill_of_materials
from foodbench.packaging.image.wheels import REQUIREMENTS_FILE, ensure_wheels
from foodbench.progress import Progress
from foodbench.records.base import digest_of
from foodbench.records.bundles import ServingBundle
from foodbench.records.experiments import Runtime
from foodbench.records.images import ImageRef
from foodbench.records.provenance import Provenance
from foodbench.serving.bundle import BundleError
from foodbench.store import Store

__all__ = ["build_image", "check_repository", "image_name", "push_image", "pushed_name"]

SBOM_FILE = "sbom.cdx.json"

LOADING = f"""
from pathlib import Path
import foodbench.serving.server
from foodbench.serving.bundle import read_manifest
from foodbench.serving.runtimes import create_runtime
directory = Path("{BUNDLE_DIRECTORY}")
create_runtime(read_manifest(directory), directory, 1)
"""

REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?::[0-9]+)?(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+")
"""A registry and a name in it, as OCI's distribution specification has them, without a tag."""


def build_image(
    bundle: ServingBundle,
    store: Store,
    *,
    base: str,
    engine: Engine,
    provenance: Provenance,
    progress: Progress,
    build_options: Sequence[str] = (),
) -> ImageRef:
    """Build the image that serves a bundle, or return its record where the engine still has it.

    Equal inputs (bundle, code and its revision, packages, base, engine) give an image of equal id.

    Args:
        bundle: A stored one.
        store: Holds the bundle; gets the image's record, its bill of materials and the wheels.
        base: Name of the image to build upon.
        engine: What builds it.
        provenance: Of this machine and this software; the source revision in it becomes a label.
        progress: Told how far it is.
        build_options: Further ones of the engine's build command.

    Raises:
        InputError: The base holds no Python that the service runs on.
        MachineError: The base, a package or the engine cannot be had.
        RunFailed: The build failed, or the stored bundle is damaged.
    """
    progress.say(f"Building the image of {bundle.model_name} for {bundle.runtime} with {engine.name} upon {base}")
    ground = examine_base(engine, base)
    wheels = ensure_wheels(bundle.runtime, ground, store)
    timestamp_s = round(datetime.fromisoformat(bundle.provenance.created_at).timestamp())
    labels = image_labels(
        bundle,
        ground,
        timestamp_s=timestamp_s,
        version=metadata.version("foodbench"),
        revision=provenance.git_revision,
        code_sha256=code_digest(),
    )
    requirements = (wheels / REQUIREMENTS_FILE).read_text(encoding="utf-8")
    digest = digest_of(json.dumps(labels, sort_keys=True), ground, requirements, engine.name)
    stored = store.find_image(digest)
    if stored is not None and not build_options:
        held = engine.find(stored.tags[0])
        if held is not None and held.image_id == stored.image_id:
            return stored
    tag = image_name(bundle.model_name, bundle.runtime, bundle.digest)
    with tempfile.TemporaryDirectory(prefix="foodbench-image-") as folder:
        context = Path(folder)
        try:
            write_context(
                context,
                bundle=store.bundle_directory(bundle.digest),
                wheels=wheels,
                base=base,
                labels=labels,
                timestamp_s=timestamp_s,
            )
        except BundleError as error:
            raise RunFailed(str(error).rstrip(".")) from error
        image_id = engine.build(context, tag, timestamp_s=timestamp_s, annotations=labels, options=build_options)
        containerfile = (context / "Containerfile").read_text(encoding="utf-8")
    built = engine.find(tag)
    if built is None or built.image_id != image_id:
        raise RunFailed(f"{engine.name} built {tag} and does not have it")
    _try_to_load(engine, tag)
    image = ImageRef(
        digest=digest,
        bundle_digest=bundle.digest,
        model_name=bundle.model_name,
        runtime=bundle.runtime,
        engine=engine.name,
        engine_version=engine.version(),
        image_id=image_id,
        manifest_digest=built.digest,
        tags=(tag,),
        size_bytes=built.size_bytes,
        base=ground,
        labels=labels,
        sbom_file=SBOM_FILE,
        provenance=provenance,
    )
    _store(image, bill_of_materials(wheels, bundle, ground, labels), containerfile, requirements, store)
    return image


def _try_to_load(engine: Engine, tag: str) -> None:
    """Load the model inside the image: a base may lack a library that a package needs."""
    try:
        engine.output_of(tag, ["python", "-c", LOADING])
    except RunFailed as error:
        raise RunFailed(
            f"the image {tag} cannot load its model: {error.problem}",
            "Give a base that has the library it names with --base, such as python:3.13-slim",
        ) from error


def image_name(model_name: str, runtime: Runtime, bundle_digest: str) -> str:
    """Return the name under which a bundle's image is kept on this machine: another one for every bundle and code."""
    name = re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-") or "model"
    return f"localhost/foodbench-{name}:{runtime}-{bundle_digest}-{code_digest()[:8]}"


def pushed_name(local_name: str, repository: str) -> str:
    """Return the name under which an image that is kept on this machine is pushed to a repository."""
    return f"{repository}:{local_name.rpartition(':')[2]}"


def check_repository(repository: str) -> None:
    """Check the name of where images are pushed to, before the long work of building them.

    Raises:
        InputError: ``repository`` is not a registry and a name.
    """
    if REPOSITORY.fullmatch(repository) is None:
        raise InputError(
            f"--push: received {repository}", "Give a registry and a name in it, in small letters, without a tag"
        )


def push_image(image: ImageRef, repository: str, store: Store, *, engine: Engine) -> ImageRef:
    """Push an image to a registry, tagged as on this machine, and note where it went.

    Args:
        image: A stored one.
        repository: REGISTRY/NAME.
        store: Has its record replaced.
        engine: That holds it.

    Raises:
        InputError: ``repository`` is not a registry and a name.
        MachineError: The registry did not take it.
    """
    check_repository(repository)
    destination = pushed_name(image.tags[0], repository)
    try:
        digest = engine.push(image.image_id, destination)
    except RunFailed as error:
        raise MachineError(
            f"{destination} cannot be pushed: {error.problem}", f"Check the name, the network and {engine.name} login"
        ) from error
    changed = image.model_copy(
        update={
            "tags": tuple(dict.fromkeys((*image.tags, destination))),
            "pushed": tuple(dict.fromkeys((*image.pushed, f"{repository}@{digest}"))),
        }
    )
    store.save_image(changed)
    return changed


def _store(image: ImageRef, bill: object, containerfile: str, requirements: str, store: Store) -> None:
    try:
        with store.fresh_directory(store.image_directory(image.digest)) as directory:
            (directory / SBOM_FILE).write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            (directory / "Containerfile").write_text(containerfile, encoding="utf-8")
            (directory / REQUIREMENTS_FILE).write_text(requirements, encoding="utf-8")
    except OSError as error:
        raise MachineError(
            f"cannot write the image's record: {error.strerror or error}",
            "Free some disk space, or choose another folder with --results",
        ) from error
    store.save_image(image)
