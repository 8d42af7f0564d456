"""Laws that hold for any pods and any metrics."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from foodbench.autoscaling import Behaviour, History, Pod, PodMetric, Scaler, recommend, sync

NOW_S = 1000.0
SCALERS = st.builds(
    lambda low, more, target, behaviour: Scaler(low, low + more, target, behaviour=behaviour),
    st.integers(1, 5),
    st.integers(0, 20),
    st.integers(1, 150),
    st.sampled_from([None, Behaviour()]),
)
PODS = st.builds(
    Pod,
    name=st.text("abcdefgh", min_size=3, max_size=3),
    cpu_request_millicores=st.integers(10, 4000),
    phase=st.sampled_from(["pending", "running", "failed"]),
    ready=st.booleans(),
    ready_changed_at_s=st.floats(0, NOW_S),
    started_at_s=st.floats(0, NOW_S),
    deleting=st.booleans(),
)
SOME_PODS = st.lists(PODS, max_size=8, unique_by=lambda pod: pod.name)
USAGES = st.lists(st.integers(0, 4_000_000_000) | st.none(), min_size=8, max_size=8)


def metrics_of(pods: list[Pod], usages: list[int | None]) -> dict[str, PodMetric]:
    return {
        pod.name: PodMetric(usage, NOW_S, 15) for pod, usage in zip(pods, usages, strict=False) if usage is not None
    }


@given(SCALERS, st.lists(st.tuples(SOME_PODS, USAGES), min_size=1, max_size=6), st.integers(1, 25))
def test_decisions_stay_within_the_bounds(
    scaler: Scaler, seen: list[tuple[list[Pod], list[int | None]]], current: int
) -> None:
    history = History()
    for number, (pods, usages) in enumerate(seen):
        within = scaler.min_replicas <= current <= scaler.max_replicas
        decision, history = sync(
            scaler, history, pods, metrics_of(pods, usages), current_replicas=current, now_s=NOW_S + 15 * number
        )
        assert scaler.min_replicas <= decision.desired_replicas <= scaler.max_replicas
        if decision.utilisation_percent is None and within:
            assert decision.desired_replicas == current
        current = decision.desired_replicas


@given(SCALERS, SOME_PODS, USAGES)
def test_a_decision_never_goes_against_the_ratio(scaler: Scaler, pods: list[Pod], usages: list[int | None]) -> None:
    """With as many pods as asked for, usage below the target adds none and usage above it takes none away."""
    living = [pod for pod in pods if not pod.deleting and pod.phase != "failed"]
    current = len(living)
    found = recommend(scaler, pods, metrics_of(pods, usages), current_replicas=current, now_s=NOW_S)
    if found is None:
        return
    if found.ratio < 1:
        assert found.replicas <= current
    if found.ratio > 1:
        assert found.replicas >= current


@given(SCALERS, st.integers(1, 8), st.integers(0, 4000), st.integers(0, 4000))
def test_more_usage_never_recommends_fewer_replicas(scaler: Scaler, count: int, one: int, other: int) -> None:
    pods = [Pod(str(n), 1000, "running", ready=True, ready_changed_at_s=10, started_at_s=0) for n in range(count)]
    less, more = sorted((one, other))
    results = []
    for millicores in (less, more):
        metrics = {pod.name: PodMetric(millicores * 1_000_000, NOW_S, 15) for pod in pods}
        found = recommend(scaler, pods, metrics, current_replicas=count, now_s=NOW_S)
        assert found is not None
        results.append(found.replicas)
    assert results[0] <= results[1]


@given(st.integers(1, 100), st.integers(1, 20), st.floats(0.9, 1.1))
def test_nothing_changes_within_the_tolerance(target: int, count: int, ratio: float) -> None:
    percent = math.floor(target * ratio)
    if not 0.9 <= percent / target <= 1.1:
        return
    pods = [Pod(str(n), 1000, "running", ready=True, ready_changed_at_s=10, started_at_s=0) for n in range(count)]
    metrics = {pod.name: PodMetric(percent * 10_000_000, NOW_S, 15) for pod in pods}
    found = recommend(Scaler(1, 50, target), pods, metrics, current_replicas=count, now_s=NOW_S)
    assert found is not None
    assert found.replicas == count


@given(SCALERS, st.lists(st.integers(0, 300), min_size=30, max_size=40))
def test_history_does_not_grow_without_end(scaler: Scaler, percents: list[int]) -> None:
    history, current = History(), scaler.min_replicas
    for number, percent in enumerate(percents):
        pods = [Pod(str(n), 1000, "running", ready=True, ready_changed_at_s=10, started_at_s=0) for n in range(current)]
        metrics = {pod.name: PodMetric(percent * 10_000_000, NOW_S + 15 * number, 15) for pod in pods}
        decision, history = sync(scaler, history, pods, metrics, current_replicas=current, now_s=NOW_S + 15 * number)
        current = decision.desired_replicas
        assert len(history.recommendations) <= 300 / 15 + 2
