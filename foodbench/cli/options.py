"""The options that commands share, each defined once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DEFAULT_EXPERIMENT",
    "DEFAULT_RESULTS",
    "BaseOption",
    "ContextOption",
    "DataOption",
    "ExperimentOption",
    "ImageOption",
    "JsonOption",
    "NamespaceOption",
    "PushOption",
    "QuietOption",
    "ReplaceOption",
    "ResultsOption",
    "SeedOption",
    "ServiceOption",
    "Session",
    "TargetOption",
    "VerboseOption",
    "WeightsOption",
]

DEFAULT_EXPERIMENT = "quickstart"
DEFAULT_RESULTS = Path("results")


@dataclass
class Session:
    """What the error handler needs to know of the command that runs."""

    verbose: bool = False


def _set_verbose(context: typer.Context, value: bool) -> bool:
    if isinstance(context.obj, Session):
        context.obj.verbose = value
    return value


ExperimentOption = Annotated[
    str,
    typer.Option(
        "--experiment",
        "-e",
        metavar="PATH|NAME",
        help="Experiment file, or the name of one that comes with foodbench.",
    ),
]
ResultsOption = Annotated[
    Path,
    typer.Option("--results", metavar="DIR", envvar="FOODBENCH_RESULTS", help="Folder of all records and reports."),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH",
        envvar="FOODBENCH_DATA",
        help="Folder or archive of the photographs, in place of the one the experiment names.",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="Of the training, in place of the experiment's; equal seeds train equal models on one machine.",
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="DIR",
        envvar="FOODBENCH_WEIGHTS",
        help="Folder with Keras' official ImageNet weights files (also looked for in ~/.keras/models).",
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", callback=_set_verbose, help="Show the traceback of an error."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for a script.")]

CLUSTER = "Kubernetes"
"""Panel of the options that only target kubernetes has."""

TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="local|kubernetes", help="This machine (the default), or a cluster of the kubeconfig."
    ),
]
ContextOption = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        rich_help_panel=CLUSTER,
        help="Of the kubeconfig. Default: its current one, if that is a cluster on this machine.",
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NAME", rich_help_panel=CLUSTER, help="Default: foodbench."),
]
ServiceOption = Annotated[
    str | None,
    typer.Option(
        "--service",
        metavar="TYPE",
        rich_help_panel=CLUSTER,
        help="NodePort (the default), LoadBalancer, or ClusterIP, which is reached by a port-forward.",
    ),
]
ImageOption = Annotated[
    str | None,
    typer.Option(
        "--image",
        metavar="REF",
        rich_help_panel=CLUSTER,
        help="Serve with this image. Default: one is built and loaded onto the nodes (kind, k3d, minikube, k3s, containerd).",
    ),
]
PushOption = Annotated[
    str | None,
    typer.Option(
        "--push",
        metavar="REGISTRY/NAME",
        rich_help_panel=CLUSTER,
        help="Push the image that is built there, for the nodes to pull.",
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base", metavar="IMAGE", rich_help_panel=CLUSTER, help="Build the image upon this one (python:3.13-slim)."
    ),
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Delete the deployment that is still running here first.")
]
