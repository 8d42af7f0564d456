"""Real deployments on loopback, with a stand-in for the service."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from builders import deployment, variant

from foodbench.deploy.local import LocalTarget
from foodbench.deploy.local.limits import choose_limiter
from foodbench.deploy.local.processes import DEPLOYMENT_MARK, marked, marks
from foodbench.errors import MachineError, RunFailed
from foodbench.progress import Silent
from foodbench.records.deployments import CpuLimiter, Deployment, DeploymentState, LoadBalancer
from foodbench.records.experiments import Autoscaling, Resources, Serving
from foodbench.store import Store

pytestmark = pytest.mark.processes

STAND_IN = [sys.executable, str(Path(__file__).with_name("stand_in_service.py"))]
PATIENCE_S = 60.0


class Site:
    """A results folder, its target, and what was deployed in it."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.made: list[tuple[LocalTarget, str]] = []

    def target(self, *, start_deadline_s: float = PATIENCE_S, **options: Any) -> LocalTarget:
        return LocalTarget(self.store, service=STAND_IN, start_deadline_s=start_deadline_s, **options)

    def intent(self, mode: str = "single", behaviour: dict[str, Any] | None = None, **changes: Any) -> Deployment:
        digest = secrets.token_hex(4)
        bundle = self.store.bundle_directory(digest)
        bundle.mkdir(parents=True)
        (bundle / "behaviour.json").write_text(json.dumps(behaviour or {}))
        resources = Resources(cpu_request_cores=0.25, cpu_limit_cores=0.5, memory_limit_bytes=2**28)
        values = {"mode": mode, "resources": resources, "replicas": 2 if mode == "lb" else 1} | changes
        return deployment(id=f"{mode}-{digest}", bundle_digest=digest, variant=variant(**values))

    def deploy(self, intent: Deployment, **options: Any) -> tuple[LocalTarget, DeploymentState]:
        target = self.target(**options)
        self.made.append((target, intent.id))
        return target, target.deploy(intent, Silent())

    def reasons(self, intent: Deployment) -> list[str]:
        return [event.reason for event in self.store.deployment_events(intent.id)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for target, deployment_id in made.made:
        target.delete(deployment_id)


def get(url: str, path: str = "/test") -> bytes:
    with urllib.request.urlopen(url + path, timeout=30) as answer:  # noqa: S310  # always http
        return bytes(answer.read())


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def left(intent: Deployment) -> list[str]:
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/foodbench-{intent.id}-*")]
    return [str(process) for process in marked({DEPLOYMENT_MARK: intent.id})] + groups


def is_gone(state: DeploymentState) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(state.url.rpartition(":")[2]))) != 0


@pytest.mark.parametrize(("mode", "replicas"), [("single", 1), ("lb", 2), ("hpa", 1)])
def test_a_deployment_serves_shows_its_state_and_goes(site: Site, mode: str, replicas: int) -> None:
    intent = site.intent(mode)
    target, state = site.deploy(intent)
    assert (state.phase, state.ready_replicas, state.desired_replicas) == ("available", replicas, replicas)
    served_by = {int(get(state.url)) for _ in range(40)}
    assert served_by == {replica.pid for replica in state.replicas}
    found = target.state(intent.id)
    assert found is not None
    assert found.phase == "available"
    usage = target.usage(intent.id)
    assert len(usage) == replicas
    assert all(one.ready and one.memory_bytes > 2**20 and one.cpu_s > 0 for one in usage)

    target.delete(intent.id)
    assert left(intent) == []
    assert is_gone(state)
    after = target.state(intent.id)
    assert after is not None
    assert (after.phase, after.replicas) == ("stopped", ())
    target.delete(intent.id)


def test_nothing_is_known_of_what_was_never_deployed(site: Site) -> None:
    target = site.target()
    assert target.state("absent") is None
    assert target.usage("absent") == ()
    target.delete("absent")


def test_a_crashed_replica_is_started_again(site: Site) -> None:
    intent = site.intent()
    target, state = site.deploy(intent)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        get(state.url, "/crash")

    def is_back() -> bool:
        found = target.state(intent.id)
        return found is not None and found.ready_replicas == 1 and found.replicas[0].restarts == 1

    wait_for(is_back)
    assert int(get(state.url)) != state.replicas[0].pid
    errors = [event.message for event in site.store.deployment_events(intent.id) if event.reason == "Error"]
    assert errors == ["its process ended with code 9: it wrote nothing"]


def test_a_second_crash_waits_and_connections_are_closed_meanwhile(site: Site) -> None:
    intent = site.intent()
    target, state = site.deploy(intent)

    def crash() -> None:
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            get(state.url, "/crash")

    def ready() -> bool:
        found = target.state(intent.id)
        return found is not None and found.ready_replicas == 1 and found.replicas[0].restarts == 1

    crash()
    wait_for(ready)
    crash()
    wait_for(lambda: "BackOff" in site.reasons(intent))
    found = target.state(intent.id)
    assert found is not None
    assert (found.replicas[0].phase, found.replicas[0].pid) == ("back-off", 0)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        get(state.url)


def test_a_probe_that_works_as_hard_as_a_request_turns_all_users_away(site: Site) -> None:
    serving = Serving(
        readiness_path="/test", readiness_period_s=1, readiness_timeout_s=1, readiness_failure_threshold=2
    )
    intent = site.intent(behaviour={"work_ms": 40}, serving=serving)
    target, state = site.deploy(intent)
    turned_away, deadline_s = threading.Event(), time.monotonic() + PATIENCE_S

    def user() -> None:
        while not turned_away.is_set() and time.monotonic() < deadline_s:
            try:
                get(state.url)
            except OSError:
                turned_away.set()

    with ThreadPoolExecutor(32) as users:
        for _ in range(32):
            users.submit(user)
    assert turned_away.is_set()
    unhealthy = [event for event in site.store.deployment_events(intent.id) if event.reason == "Unhealthy"]
    assert {event.probe_failure for event in unhealthy} == {"timeout"}
    # Left alone, it comes back.
    wait_for(lambda: (found := target.state(intent.id)) is not None and found.ready_replicas == 1)
    assert get(state.url)


@pytest.fixture
def start_orphan() -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Start what a replica would be where the kernel does not end it with its parent."""
    started: list[subprocess.Popen[bytes]] = []

    def start(directory: Path) -> subprocess.Popen[bytes]:
        sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
        started.append(subprocess.Popen(sleeping, env={**os.environ, **marks(directory, "replica-9")}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_supervisor_leaves_nothing_that_delete_does_not_remove(
    site: Site, start_orphan: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    intent = site.intent("lb")
    target, state = site.deploy(intent)
    orphan = start_orphan(site.store.deployment_directory(intent.id))
    assert target.find_orphans() == ()
    os.kill(state.supervisor_pid, signal.SIGKILL)

    def has_failed() -> bool:
        found = target.state(intent.id)
        return found is not None and found.phase == "failed"

    wait_for(has_failed)
    found = target.state(intent.id)
    assert found is not None
    assert "supervisor is gone" in str(found.failure)
    assert found.ready_replicas == 0
    orphans = {orphans.deployment_id: orphans.pids for orphans in target.find_orphans()}
    assert orphan.pid in orphans[intent.id]

    target.delete(intent.id)
    assert left(intent) == []
    assert target.find_orphans() == ()
    assert orphan.wait(timeout=10) == -signal.SIGKILL


def test_a_replica_does_not_outlive_its_killed_supervisor(site: Site) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux ends a process with its parent")
    intent = site.intent("lb")
    _, state = site.deploy(intent)
    os.kill(state.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: marked({DEPLOYMENT_MARK: intent.id}) == ())


def test_a_bundle_that_cannot_start_fails_with_its_last_words(site: Site) -> None:
    intent = site.intent("lb", {"crash": "the weights' checksum is wrong."})
    with pytest.raises(RunFailed, match=r"ended with code 6: the weights' checksum is wrong \(2 attempts\)"):
        site.deploy(intent)
    assert left(intent) == []
    found = site.target().state(intent.id)
    assert found is not None
    assert found.phase == "failed"


def test_too_little_memory_is_named_with_the_peak(site: Site) -> None:
    intent = site.intent(behaviour={"memory_mib": 400})
    with pytest.raises(RunFailed, match=r"OOMKilled: .* peak \d+ MiB of 256 MiB"):
        site.deploy(intent)
    assert "OOMKilled" in site.reasons(intent)
    assert left(intent) == []


def test_a_replica_that_never_gets_ready_ends_at_the_deadline(site: Site) -> None:
    intent = site.intent(behaviour={"never_ready": True})
    with pytest.raises(RunFailed, match=r"0 of 1 replicas were ready after 3 s; replica-1 not"):
        site.deploy(intent, start_deadline_s=3.0)
    assert left(intent) == []


def test_an_interrupt_while_waiting_leaves_nothing(site: Site) -> None:
    class Interrupting(Silent):
        def step(self, description: str, done: float, total: float) -> None:
            if site.store.deployment_state(intent.id) is not None:
                raise KeyboardInterrupt

    intent = site.intent(behaviour={"never_ready": True})
    with pytest.raises(KeyboardInterrupt):
        site.target().deploy(intent, Interrupting())
    assert left(intent) == []


def test_a_results_folder_deeper_than_a_socket_address_may_be_long(tmp_path: Path) -> None:
    site = Site(tmp_path / ("deep-" * 20) / ("deeper-" * 12))
    intent = site.intent()
    try:
        _, state = site.deploy(intent, load_balancer="haproxy")
        assert get(state.url)
    finally:
        site.target().delete(intent.id)


def test_a_load_balancer_that_dies_is_started_again_at_the_same_address(site: Site) -> None:
    intent = site.intent("lb")
    target, state = site.deploy(intent, load_balancer="haproxy")
    assert state.load_balancer_pid is not None
    os.kill(state.load_balancer_pid, signal.SIGKILL)

    def restored() -> bool:
        found = target.state(intent.id)
        return found is not None and found.load_balancer_pid != state.load_balancer_pid

    wait_for(restored)
    assert {int(get(state.url)) for _ in range(40)} == {replica.pid for replica in state.replicas}
    assert "LoadBalancerRestarted" in site.reasons(intent)


@pytest.mark.parametrize("balancer", ["haproxy", "built-in"])
def test_each_load_balancer_serves_from_all_replicas(site: Site, balancer: LoadBalancer) -> None:
    intent = site.intent("lb")
    _, state = site.deploy(intent, load_balancer=balancer)
    assert state.load_balancer == balancer
    with ThreadPoolExecutor(8) as clients:
        served_by = set(clients.map(lambda _: int(get(state.url)), range(60)))
    assert served_by == {replica.pid for replica in state.replicas}


def limiters() -> list[CpuLimiter]:
    names: list[CpuLimiter] = ["cgroup-v2", "cgroup-v1", "duty-cycle"]
    found = []
    for name in names:
        try:
            choose_limiter(name)
        except MachineError:
            continue
        found.append(name)
    return found


@pytest.mark.parametrize("limiter", ["cgroup-v2", "cgroup-v1", "duty-cycle"])
def test_cpu_is_limited(site: Site, limiter: CpuLimiter) -> None:
    """Four clients keep a replica of a quarter of a core busy. Generous: the clock of a busy machine jumps."""
    if limiter not in limiters():
        pytest.skip(f"{limiter} does not work on this machine")
    resources = Resources(cpu_request_cores=0.25, cpu_limit_cores=0.25, memory_limit_bytes=2**28)
    intent = site.intent(behaviour={"work_ms": 20}, resources=resources)
    target, state = site.deploy(intent, cpu_limiter=limiter)
    assert state.cpu_limiter == limiter
    with ThreadPoolExecutor(4) as clients:
        begun_s, before = time.monotonic(), target.usage(intent.id)[0]
        list(clients.map(lambda _: get(state.url), range(50)))
        after, ended_s = target.usage(intent.id)[0], time.monotonic()
    used_s = after.cpu_s - before.cpu_s
    assert used_s >= 0.9, "50 requests of 20 ms each were computed"
    assert used_s / (ended_s - begun_s) < 0.25 * 1.4
    assert after.throttled_s is not None
    assert before.throttled_s is not None
    assert after.throttled_s > before.throttled_s


def test_load_makes_the_autoscaler_add_replicas(site: Site) -> None:
    resources = Resources(cpu_request_cores=0.2, cpu_limit_cores=0.2, memory_limit_bytes=2**28)
    autoscaling = Autoscaling(min_replicas=1, max_replicas=3, target_cpu_percent=40)
    intent = site.intent("hpa", {"work_ms": 10}, resources=resources, autoscaling=autoscaling)
    target, state = site.deploy(intent)

    def scaled() -> bool:
        get(state.url)
        found = target.state(intent.id)
        return found is not None and found.ready_replicas >= 2

    wait_for(scaled)
    decisions = site.store.scaling_decisions(intent.id)
    assert any(decision.desired_replicas > decision.current_replicas for decision in decisions)
    assert "SuccessfulRescale" in site.reasons(intent)
