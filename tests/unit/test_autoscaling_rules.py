"""One test for each rule of the algorithm: each fails when its rule is taken out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foodbench.autoscaling import Behaviour, History, Pod, PodMetric, Policy, Scaler, ScalingRules, recommend, sync
from foodbench.records.deployments import ScalingDecision

SCALER = Scaler(min_replicas=1, max_replicas=10, target_percent=50)
NOW_S = 1000.0


def pod(name: str = "a", **changes: object) -> Pod:
    plain = Pod(name, 1000, "running", ready=True, ready_changed_at_s=10, started_at_s=0)
    return replace(plain, **changes)  # type: ignore[arg-type]


def metric(percent: float, *, sampled_at_s: float = NOW_S) -> PodMetric:
    return PodMetric(round(percent * 10 * 1_000_000), sampled_at_s, window_s=15)


def recommended(pods: list[Pod], percents: dict[str, float], *, current: int | None = None) -> int | None:
    metrics = {name: metric(percent) for name, percent in percents.items()}
    found = recommend(SCALER, pods, metrics, current_replicas=len(pods) if current is None else current, now_s=NOW_S)
    return None if found is None else found.replicas


def decide(
    history: History, percents: list[float], *, current: int, now_s: float = NOW_S, scaler: Scaler = SCALER
) -> tuple[ScalingDecision, History]:
    pods = [pod(str(number)) for number in range(len(percents))]
    metrics = {str(number): metric(percent) for number, percent in enumerate(percents)}
    return sync(scaler, history, pods, metrics, current_replicas=current, now_s=now_s)


@pytest.mark.parametrize(("percent", "expected"), [(45, 2), (55, 2), (44, 2), (56, 3), (30, 2), (24, 1), (100, 4)])
def test_the_ratio_is_rounded_up_outside_the_tolerance(percent: float, expected: int) -> None:
    assert recommended([pod("a"), pod("b")], {"a": percent, "b": percent}) == expected


def test_within_the_tolerance_nothing_changes() -> None:
    pods = [pod(str(number)) for number in range(10)]
    percents = {str(number): 55.0 for number in range(10)}
    assert recommended(pods, percents) == 10  # 11 by the ratio alone
    assert recommended(pods, dict.fromkeys(percents, 56.0)) == 12


@pytest.mark.parametrize(
    ("pods", "percents", "raw", "replicas", "weakened_by"),
    [
        ("ab", {"a": 100, "b": 100}, 4, 4, ""),
        ("ab", {"a": 55, "b": 55}, 3, 2, "tolerance: the ratio is within 0.9 to 1.1"),
        ("ab", {"a": 50, "b": 50}, 2, 2, ""),
        ("ab", {"a": 110}, 3, 2, "1 pod without metrics, taken to use nothing"),
        ("aU", {"a": 110, "U": 400}, 3, 2, "1 pod not ready or in the CPU initialisation period, taken to use nothing"),
        ("abcd", {"a": 10}, 1, 4, "3 pods without metrics, taken to use the whole request"),
    ],
)
def test_what_came_between_the_ratio_and_the_recommendation_is_told(
    pods: str, percents: dict[str, float], raw: int, replicas: int, weakened_by: str
) -> None:
    """A pod in capitals has just become ready."""
    all_pods = [pod(name, started_at_s=900 if name.isupper() else 0, ready_changed_at_s=999) for name in pods]
    metrics = {name: metric(percent) for name, percent in percents.items()}
    found = recommend(SCALER, all_pods, metrics, current_replicas=len(pods), now_s=NOW_S)
    assert found is not None
    assert (found.raw_replicas, found.replicas, found.weakened_by) == (raw, replicas, weakened_by)


def test_usage_is_rounded_up_to_whole_millicores() -> None:
    """100 m requested, 50.0001 m used: 51 %, not 50; over a target of 46 that is outside the tolerance."""
    assert PodMetric(50_000_100, NOW_S, 15).usage_millicores == 51
    scaler = replace(SCALER, target_percent=46)
    small = pod(cpu_request_millicores=100)
    found = recommend(scaler, [small], {"a": PodMetric(50_000_100, NOW_S, 15)}, current_replicas=1, now_s=NOW_S)
    assert found is not None
    assert (found.utilisation_percent, found.replicas) == (51, 2)


def test_utilisation_is_cut_to_whole_percent() -> None:
    scaler = replace(SCALER, target_percent=10)
    found = recommend(scaler, [pod()], {"a": metric(11.9)}, current_replicas=1, now_s=NOW_S)
    assert found is not None
    assert (found.utilisation_percent, found.replicas) == (11, 1)  # 11.9 would be outside the tolerance


def test_a_missing_metric_counts_as_idle_on_the_way_up() -> None:
    assert recommended([pod("a"), pod("b")], {"a": 100}) == 2  # 100 % of one; 50 % of two is on target
    assert recommended([pod("a"), pod("b")], {"a": 200}) == 4
    assert recommended([pod("a"), pod("b")], {"a": 110}) == 2  # 55 % of two is tolerated; alone it asks for 3


def test_a_missing_metric_counts_as_its_whole_request_on_the_way_down() -> None:
    pods = [pod(name) for name in "abcd"]
    # 10 % of three and 100 % of the fourth: 32 % of four. Left out it would be 1, at its target 2.
    assert recommended(pods, {"a": 10, "b": 10, "c": 10}) == 3


def test_above_a_target_of_100_percent_a_missing_metric_counts_as_the_target() -> None:
    scaler = replace(SCALER, target_percent=200)
    pods = [pod(name) for name in "abcd"]
    metrics = {name: metric(20) for name in "abc"}
    found = recommend(scaler, pods, metrics, current_replicas=4, now_s=NOW_S)
    assert found is not None
    assert found.replicas == 2  # (3 x 20 + 200) / 4 = 65 % of 200; with 100 it would be 1


def test_an_assumption_never_turns_the_direction_round() -> None:
    # Alone "a" asks for fewer (40 of 50 %); with "b" at 100 % both would ask for more.
    assert recommended([pod("a"), pod("b")], {"a": 40}) == 2
    # Alone "a" asks for more; with three idle ones, for fewer.
    assert recommended([pod(name) for name in "abcd"], {"a": 100}) == 4


def test_a_change_of_the_pods_that_count_never_turns_the_direction_round() -> None:
    """More pods than asked for are still there: their number must not turn a scale-down into a scale-up."""
    pods = [pod(name) for name in "abcd"]
    assert recommended(pods, {"a": 20, "b": 20, "c": 20}, current=2) == 2


def test_an_unready_pod_counts_as_idle_on_the_way_up() -> None:
    pods = [pod("a"), pod("b", ready=False, started_at_s=NOW_S - 60, ready_changed_at_s=NOW_S - 60)]
    assert recommended(pods, {"a": 200, "b": 200}) == 4  # 8 if its metric counted
    assert recommended(pods, {"a": 200}) == 4
    assert recommended(pods, {"a": 110, "b": 110}) == 2  # 55 % of two is tolerated; alone it asks for 3


def test_the_tolerance_holds_with_idle_pods_counted_in() -> None:
    pods = [pod(str(number)) for number in range(10)] + [pod("new", phase="pending")]
    percents = {str(number): 60.0 for number in range(10)}
    assert recommended(pods, percents) == 11  # 54 % of eleven is tolerated; rounded up it would be 12


def test_an_unready_pod_is_left_out_on_the_way_down() -> None:
    pods = [pod("a"), pod("b"), pod("c", phase="pending")]
    assert recommended(pods, {"a": 20, "b": 20}, current=3) == 1


def test_a_pending_pod_counts_as_idle_on_the_way_up() -> None:
    assert recommended([pod("a"), pod("b", phase="pending")], {"a": 150, "b": 150}) == 3


def test_a_window_that_began_before_the_pod_was_ready_does_not_count_in_its_first_five_minutes() -> None:
    fresh = pod("b", started_at_s=NOW_S - 60, ready_changed_at_s=NOW_S - 10)
    assert recommended([pod("a"), fresh], {"a": 100, "b": 1000}) == 2
    assert recommended([pod("a"), replace(fresh, ready_changed_at_s=NOW_S - 15)], {"a": 100, "b": 1000}) == 22


def test_after_five_minutes_a_window_that_began_before_it_was_ready_counts() -> None:
    old = pod("b", started_at_s=NOW_S - 300, ready_changed_at_s=NOW_S - 10)
    assert recommended([pod("a"), old], {"a": 100, "b": 1000}) == 22
    assert recommended([pod("a"), replace(old, started_at_s=NOW_S - 299)], {"a": 100, "b": 1000}) == 2


def test_after_five_minutes_an_unready_pod_counts_if_it_was_ready_once() -> None:
    lost_it = pod("b", ready=False, started_at_s=0, ready_changed_at_s=31)
    assert recommended([pod("a"), lost_it], {"a": 100, "b": 100}) == 4
    never_had_it = replace(lost_it, ready_changed_at_s=29)  # within the 30 s of the initial readiness delay
    assert recommended([pod("a"), never_had_it], {"a": 100, "b": 100}) == 2


@pytest.mark.parametrize("gone", [{"deleting": True}, {"phase": "failed"}])
def test_pods_on_their_way_out_do_not_count(gone: dict[str, object]) -> None:
    assert recommended([pod("a"), pod("b", **gone)], {"a": 60, "b": 60}) == 2  # 3 with both


def test_metrics_of_unready_pods_alone_are_no_metrics() -> None:
    assert recommended([pod("a", phase="pending")], {"a": 100}) is None
    assert recommended([], {}) is None


@pytest.mark.parametrize(("current", "limit"), [(1, 4), (2, 4), (3, 6), (4, 8)])
def test_one_step_up_stops_at_twice_the_replicas_or_four(current: int, limit: int) -> None:
    decision, _ = decide(History(), [1000.0] * current, current=current, scaler=replace(SCALER, max_replicas=100))
    assert decision.desired_replicas == limit
    assert f"stops at {limit}" in decision.limited_by


def test_a_scale_up_does_not_wait() -> None:
    _, history = decide(History(), [10.0], current=1)
    decision, _ = decide(history, [200.0], current=1, now_s=NOW_S + 15)
    assert decision.desired_replicas == 4
    assert decision.limited_by == ""


def test_a_scale_down_waits_for_the_highest_recommendation_of_300_s() -> None:
    _, history = decide(History(), [100.0, 100.0, 100.0], current=6)
    held, history_held = decide(history, [10.0] * 6, current=6, now_s=NOW_S + 300)
    assert held.desired_replicas == 6
    assert "stabilisation" in held.limited_by
    free, _ = decide(history_held, [10.0] * 6, current=6, now_s=NOW_S + 300.1)
    assert (free.recommended_replicas, free.desired_replicas) == (2, 2)


def test_the_replicas_at_the_first_sync_count_as_a_recommendation() -> None:
    decision, history = decide(History(), [10.0] * 4, current=4)
    assert decision.desired_replicas == 4
    decision, _ = decide(history, [10.0] * 4, current=4, now_s=NOW_S + 301)
    assert decision.desired_replicas == 1


def test_a_scale_down_goes_all_the_way_at_once() -> None:
    _, history = decide(History(), [1.0] * 10, current=10)
    decision, _ = decide(history, [1.0] * 10, current=10, now_s=NOW_S + 301)
    assert decision.desired_replicas == 1


def test_bounds_hold_whatever_the_metrics_say() -> None:
    decision, _ = decide(History(), [1000.0] * 9, current=9)
    assert (decision.desired_replicas, decision.limited_by) == (10, "maximum of 10 replicas")
    decision, _ = decide(History(), [0.0] * 2, current=2, scaler=replace(SCALER, min_replicas=2))
    assert (decision.desired_replicas, decision.limited_by) == (
        2,
        "scale-down stabilisation: 2 was recommended within the last 300 s",
    )
    for current, desired in ((1, 3), (12, 10)):
        decision, _ = decide(History(), [50.0], current=current, scaler=replace(SCALER, min_replicas=3))
        assert decision.desired_replicas == desired
        assert "bounds" in decision.limited_by


def test_metrics_that_stay_away_change_nothing_and_are_not_remembered() -> None:
    decision, history = decide(History(), [], current=3)
    assert (decision.desired_replicas, decision.utilisation_percent) == (3, None)
    decision, _ = decide(history, [200.0] * 3, current=3, now_s=NOW_S + 15)
    assert decision.desired_replicas == 6


# spec.behavior


def test_with_behaviour_a_scale_up_may_be_made_to_wait() -> None:
    behaviour = Behaviour(scale_up=replace(Behaviour().scale_up, stabilisation_s=60))
    scaler = replace(SCALER, behaviour=behaviour)
    _, history = decide(History(), [50.0], current=1, scaler=scaler)
    held, history = decide(history, [200.0], current=1, now_s=NOW_S + 15, scaler=scaler)
    assert held.desired_replicas == 1
    assert "scale-up stabilisation" in held.limited_by
    free, _ = decide(history, [200.0], current=1, now_s=NOW_S + 75, scaler=scaler)
    assert free.desired_replicas == 4


def test_the_default_behaviour_adds_four_pods_where_doubling_adds_fewer() -> None:
    """Other than without behaviour: 2 pods may become 6."""
    decision, _ = decide(History(), [1000.0] * 2, current=2, scaler=replace(SCALER, behaviour=Behaviour()))
    assert decision.desired_replicas == 6
    assert "policies stop at 6" in decision.limited_by


def test_a_policy_counts_what_was_added_within_its_period() -> None:
    rules = ScalingRules((Policy("pods", 2, 60),), stabilisation_s=0)
    scaler = replace(SCALER, behaviour=Behaviour(scale_up=rules))
    first, history = decide(History(), [1000.0], current=1, scaler=scaler)
    assert first.desired_replicas == 3
    second, history = decide(history, [1000.0] * 3, current=3, now_s=NOW_S + 30, scaler=scaler)
    assert second.desired_replicas == 3
    third, _ = decide(history, [1000.0] * 3, current=3, now_s=NOW_S + 61, scaler=scaler)
    assert third.desired_replicas == 5


@pytest.mark.parametrize(("select", "expected"), [("max", 8), ("min", 5), ("disabled", 4)])
def test_the_selected_policy_limits_a_scale_up(select: str, expected: int) -> None:
    policies = (Policy("pods", 1, 15), Policy("percent", 100, 15))
    rules = ScalingRules(policies, stabilisation_s=0, select=select)  # type: ignore[arg-type]
    scaler = replace(SCALER, behaviour=Behaviour(scale_up=rules))
    decision, _ = decide(History(), [1000.0] * 4, current=4, scaler=scaler)
    assert decision.desired_replicas == expected


@pytest.mark.parametrize(("select", "expected"), [("max", 4), ("min", 7), ("disabled", 8)])
def test_the_selected_policy_limits_a_scale_down(select: str, expected: int) -> None:
    policies = (Policy("pods", 1, 15), Policy("percent", 50, 15))
    rules = ScalingRules(policies, stabilisation_s=0, select=select)  # type: ignore[arg-type]
    scaler = replace(SCALER, behaviour=Behaviour(scale_down=rules))
    decision, _ = decide(History(), [1.0] * 8, current=8, scaler=scaler)
    assert decision.desired_replicas == expected


def test_a_small_percentage_still_adds_one_pod() -> None:
    rules = ScalingRules((Policy("percent", 10, 15),), stabilisation_s=0)
    scaler = replace(SCALER, behaviour=Behaviour(scale_up=rules))
    decision, _ = decide(History(), [1000.0] * 3, current=3, scaler=scaler)
    assert decision.desired_replicas == 4


def test_with_behaviour_a_scale_down_waits_its_window() -> None:
    rules = ScalingRules((Policy("percent", 100, 15),), stabilisation_s=60)
    scaler = replace(SCALER, behaviour=Behaviour(scale_down=rules))
    _, history = decide(History(), [50.0] * 4, current=4, scaler=scaler)
    held, history = decide(history, [1.0] * 4, current=4, now_s=NOW_S + 59, scaler=scaler)
    assert held.desired_replicas == 4
    assert "4 was recommended within the last 60 s" in held.limited_by
    free, _ = decide(history, [1.0] * 4, current=4, now_s=NOW_S + 60, scaler=scaler)
    assert free.desired_replicas == 1


def test_a_policy_counts_what_was_taken_away_within_its_period() -> None:
    rules = ScalingRules((Policy("pods", 2, 60),), stabilisation_s=0)
    scaler = replace(SCALER, behaviour=Behaviour(scale_down=rules))
    first, history = decide(History(), [1.0] * 8, current=8, scaler=scaler)
    assert (first.desired_replicas, first.limited_by) == (6, "the scale-down policies stop at 6 replicas")
    second, history = decide(history, [1.0] * 6, current=6, now_s=NOW_S + 30, scaler=scaler)
    assert second.desired_replicas == 6
    third, _ = decide(history, [1.0] * 6, current=6, now_s=NOW_S + 61, scaler=scaler)
    assert third.desired_replicas == 4


def test_with_behaviour_the_bounds_hold_too() -> None:
    at_once = Behaviour(scale_down=replace(Behaviour().scale_down, stabilisation_s=0))
    scaler = replace(SCALER, min_replicas=2, max_replicas=5, behaviour=at_once)
    decision, _ = decide(History(), [1.0] * 4, current=4, scaler=scaler)
    assert (decision.desired_replicas, decision.limited_by) == (2, "minimum of 2 replicas")
    decision, _ = decide(History(), [1000.0] * 4, current=4, scaler=scaler)
    assert (decision.desired_replicas, decision.limited_by) == (5, "maximum of 5 replicas")
