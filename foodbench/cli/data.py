"""``foodbench data``: draw, fetch, check or show a set of photographs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from foodbench.cli.options import DEFAULT_RESULTS, JsonOption, QuietOption, ResultsOption, VerboseOption
from foodbench.errors import InputError

__all__ = ["app"]

PhotographsArgument = Annotated[
    Path, typer.Argument(metavar="DIR|ARCHIVE", help="Photographs, in Food-11's layout or in class folders.")
]
LabelOption = Annotated[str | None, typer.Option("--label", help="Name of the set. Default: the name of the file.")]

app = typer.Typer(help="Draw a synthetic data set; fetch, check or show one of your own.", no_args_is_help=True)


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


@app.command("fetch")
def fetch(
    url: Annotated[str, typer.Argument(metavar="URL", help="Of a zip or tar archive, http or https.")],
    output_path: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="File or folder. Default: the URL's file name, here."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="Checksum that the archive must have.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Fetch an archive of photographs; what broke off is gone on with by the same command.

    Example: foodbench data fetch https://example.org/food11.zip --sha256 0123...
    """
    from foodbench.cli.console import output, print_json, showing_progress
    from foodbench.data import fetching

    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise InputError(f"--sha256: received {sha256}", "It is 64 hexadecimal digits")
    target = fetching.target_of(url, output_path)
    with showing_progress(quiet=quiet) as progress:
        found = fetching.fetch(url, target, progress=progress, sha256=sha256)
    if as_json:
        print_json({"path": str(found.path), "size_bytes": found.size_bytes, "sha256": found.sha256})
        return
    output().print(f"{found.path}: {found.size_bytes:,} bytes, SHA-256 {found.sha256}", markup=False, soft_wrap=True)


@app.command("check")
def check(
    path: PhotographsArgument,
    label: LabelOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Verify a data set: count images per split and class, name every file that cannot be used.

    Tells also what the images are like: sizes, formats, colour modes, and how many EXIF turns.

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


@app.command("show")
def show(
    path: PhotographsArgument,
    output_path: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.png", help="New file. Default: the set's name and split, here."),
    ] = None,
    images_per_class: Annotated[
        int, typer.Option("--images-per-class", min=1, max=1000, help="At most, in the row of each class.")
    ] = 10,
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="training, validation or evaluation.")
    ] = "training",
    label: LabelOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Draw a contact sheet: a row for each class, with its counts and some of its images.

    The images are upright and as a model is given them; equal data sets give equal sheets.

    Example: foodbench data show food11.zip --split evaluation
    """
    from foodbench.cli.console import output, showing_progress
    from foodbench.cli.context import open_store, parse_split
    from foodbench.data import prepare
    from foodbench.data.contact_sheet import draw_contact_sheet, write_contact_sheet
    from foodbench.records.experiments import DataSpec

    chosen = parse_split(split)
    target = output_path or Path(f"{path.stem}-{chosen}.png")
    if target.suffix.lower() != ".png":
        raise InputError(f"--output: received {target}", "A contact sheet is a .png file")
    if target.exists():
        raise InputError(f"{target} is already there", "Choose another file with --output")
    with showing_progress(quiet=quiet) as progress:
        dataset = prepare(DataSpec(label=label or path.stem, path=str(path)), open_store(results), progress)
        sheet = draw_contact_sheet(dataset, chosen, images_per_class, progress)
        write_contact_sheet(sheet, target)
    if not quiet:
        output().print(f"{target}: {sheet.width} x {sheet.height} pixels", markup=False, soft_wrap=True)
