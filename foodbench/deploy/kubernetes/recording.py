"""Writes down what happens to a deployment on a cluster, as the local target's supervisor does on this machine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from foodbench.autoscaling import SYNC_PERIOD_S
from foodbench.deploy.kubernetes.happenings import decision_of, endings_of, event_of, is_ready, ready_changes
from foodbench.deploy.kubernetes.observing import Observer
from foodbench.deploy.kubernetes.reading import Plain, name_of, text
from foodbench.errors import RunFailed
from foodbench.records.deployments import DeploymentEvent
from foodbench.records.experiments import Autoscaling
from foodbench.store import append_line, read_lines

__all__ = ["Recorder", "recording"]

INTERVAL_S = 2.0

LONGEST_LOOK_S = 60.0


class Recorder:
    """Appends what is new at each look to a deployment's ``events.jsonl`` and ``decisions.jsonl``.

    What an earlier recorder wrote is not written again.

    Args:
        observer: Of the deployment.
        directory: Its folder.
        bounds: Of its autoscaler, where it has one.
    """

    def __init__(self, observer: Observer, directory: Path, bounds: Autoscaling | None) -> None:
        self._observer = observer
        self._events = directory / "events.jsonl"
        self._decisions = directory / "decisions.jsonl"
        self._bounds = bounds
        self._written = {_identity(event) for event in read_lines(self._events, DeploymentEvent)}
        self._ready: frozenset[str] = frozenset()
        self._version = ""
        self._decided_s = 0.0

    def look(self) -> None:
        """Look once. Events that may not be listed are left out.

        Raises:
            RunFailed: The API server cannot be reached, or does not let us list the pods.
        """
        now_s = time.time()
        pods = self._observer.pods()
        new = [
            *(event_of(thing) for thing in self._observer.events()),
            *(ending for pod in pods for ending in endings_of(pod)),
            *ready_changes(self._ready, pods, now_s),
        ]
        self._ready = frozenset(name_of(pod) for pod in pods if is_ready(pod))
        for event in sorted(new, key=lambda one: one.time_s):
            if (identity := _identity(event)) not in self._written:
                self._written.add(identity)
                append_line(self._events, event)
        if self._bounds is not None:
            for autoscaler in self._observer.autoscalers():
                self._note(autoscaler, self._bounds, now_s)

    def _note(self, autoscaler: Plain, bounds: Autoscaling, now_s: float) -> None:
        """Write a decision at each change of the status, and once a sync where it stays as it is."""
        version = text(autoscaler, "metadata", "resourceVersion")
        if version == self._version and now_s - self._decided_s < SYNC_PERIOD_S:
            return
        self._version, self._decided_s = version, now_s
        append_line(self._decisions, decision_of(autoscaler, bounds, now_s))


def _identity(event: DeploymentEvent) -> tuple[float, str, str | None, str]:
    return event.time_s, event.reason, event.replica, event.message


@contextlib.contextmanager
def recording(look: Callable[[], None]) -> Iterator[None]:
    """Look again and again while the block runs, and once more at its end.

    Raises:
        RunFailed: A look failed or did not end; raised once the block has ended. If the block itself raised, that goes
            first and carries a note of it.
    """
    ending = threading.Event()
    failures: list[Exception] = []

    def run() -> None:
        try:
            look()
            while not ending.wait(INTERVAL_S):
                look()
            look()
        except Exception as error:  # noqa: BLE001 - handed to the thread that started this one, which raises it
            failures.append(error)

    # A server that hangs must not keep the whole program from ending.
    thread = threading.Thread(target=run, name="foodbench-recorder", daemon=True)
    thread.start()
    try:
        yield
    except BaseException as error:
        ending.set()
        thread.join(LONGEST_LOOK_S)
        for failure in failures:
            error.add_note(f"Meanwhile the recorder of the cluster's events failed: {failure!r}")
        raise
    ending.set()
    thread.join(LONGEST_LOOK_S)
    if thread.is_alive():
        raise RunFailed(f"reading the cluster's events did not end within {LONGEST_LOOK_S:g} s")
    for failure in failures:
        raise failure
