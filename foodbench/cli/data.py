"""``foodbench data``: draw or check a set of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foodbench.cli.options import DEFAULT_RESULTS, JsonOption, QuietOption, ResultsOption, VerboseOption

__all__ = ["app"]

app = typer.Typer(help="Draw a synthetic data set, or check one of your own.", no_args_is_help=True)


@app.command("synth")
def synth(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for the images.")],
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds draw equal images.")] = 7,
    image_size: Annotated[int, typer.Option("--image-size", min=16, max=1024, help="Side in pixels.")] = 96,
    images_per_class: Annotated[
        int, typer.Option("--images-per-class", min=3, help="Of the training split; the others get a third each.")
    ] = 60,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Draw a synthetic 11-class set in Food-11's layout.

    For a machine without photographs and without a network. Numbers measured on it say nothing
    about food; every table and plot made from it says so.

    Example: foodbench data synth photos --seed 3
    """
    from foodbench.cli.console import output, showing_progress
    from foodbench.data.synthetic import draw
    from foodbench.errors import InputError
    from foodbench.records.experiments import SyntheticData

    if directory.exists():
        raise InputError(f"{directory} is already there", "Choose a folder that does not exist yet")
    spec = SyntheticData(
        seed=seed,
        image_size_px=image_size,
        training_images_per_class=images_per_class,
        validation_images_per_class=max(1, images_per_class // 3),
        evaluation_images_per_class=max(1, images_per_class // 3),
    )
    with showing_progress(quiet=quiet) as progress:
        draw(spec, directory, progress)
    if not quiet:
        output().print(f"{directory}: 11 synthetic classes, seed {seed}")


@app.command("check")
def check(
    path: Annotated[
        Path, typer.Argument(metavar="DIR|ARCHIVE", help="Photographs, in Food-11's layout or in class folders.")
    ],
    label: Annotated[
        str | None, typer.Option("--label", help="Name of the set. Default: the name of the file.")
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Verify a data set: count images per split and class, name every file that cannot be used.

    Example: foodbench data check food11.zip
    """
    from foodbench.cli.console import output, print_json, showing_progress
    from foodbench.cli.context import open_store
    from foodbench.cli.tables import dataset_tables
    from foodbench.data import prepare
    from foodbench.records.experiments import DataSpec

    with showing_progress(quiet=quiet) as progress:
        dataset = prepare(DataSpec(label=label or path.stem, path=str(path)), open_store(results), progress)
    if as_json:
        print_json(dataset.record.model_dump(mode="json"))
        return
    for part in dataset_tables(dataset.record):
        output().print(part)
