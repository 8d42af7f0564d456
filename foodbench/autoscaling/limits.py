"""From a recommendation to a decision: stabilisation, policies, bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable

from foodbench.autoscaling.values import Behaviour, Change, History, Policy, Scaler, ScalingRules

__all__ = ["bounded", "bounded_by_behaviour", "record_change"]

SCALE_UP_FACTOR = 2
SCALE_UP_MINIMUM = 4
"""Where ``behavior`` is absent a scale-up stops at max(2 x current, 4): the controller's constants, seen in recordings."""


def bounded(
    scaler: Scaler, history: History, *, recommended: int, current_replicas: int, now_s: float
) -> tuple[int, str]:
    """Return the decision without ``behavior``, and what came between; empty where nothing did."""
    recent = (
        change.replicas
        for change in history.recommendations
        if change.time_s >= now_s - scaler.scale_down_stabilisation_s
    )
    stabilised = max((recommended, *recent))
    step_limit = max(SCALE_UP_FACTOR * current_replicas, SCALE_UP_MINIMUM)
    highest = min(scaler.max_replicas, step_limit)
    if stabilised < scaler.min_replicas:
        return scaler.min_replicas, f"minimum of {scaler.min_replicas} replicas"
    desired = min(stabilised, highest)
    if stabilised > recommended and recommended <= highest:
        return desired, _stabilised_down(stabilised, scaler.scale_down_stabilisation_s)
    if stabilised > highest:
        if step_limit < scaler.max_replicas:
            return highest, f"a step from {current_replicas} stops at {step_limit} replicas"
        return highest, _maximum(scaler)
    return desired, ""


def bounded_by_behaviour(
    scaler: Scaler, behaviour: Behaviour, history: History, *, recommended: int, current_replicas: int, now_s: float
) -> tuple[int, str]:
    """Return the decision by ``spec.behavior``, and what came between; empty where nothing did."""
    up, down = behaviour.scale_up, behaviour.scale_down
    lowest_recent = min((recommended, *_within(history.recommendations, up.stabilisation_s, now_s)))
    highest_recent = max((recommended, *_within(history.recommendations, down.stabilisation_s, now_s)))
    stabilised = min(max(current_replicas, lowest_recent), highest_recent)

    desired, limited_by = _by_policies(scaler, behaviour, history, stabilised, current_replicas, now_s)
    if limited_by or desired == recommended:
        return desired, limited_by
    if desired < recommended:
        return desired, f"scale-up stabilisation: {desired} is the least of the last {up.stabilisation_s:g} s"
    return desired, _stabilised_down(desired, down.stabilisation_s)


def _by_policies(
    scaler: Scaler, behaviour: Behaviour, history: History, wanted: int, current_replicas: int, now_s: float
) -> tuple[int, str]:
    if wanted > current_replicas:
        limit = max(current_replicas, _step_limit(behaviour.scale_up, history, current_replicas, now_s, direction=1))
        if wanted > min(limit, scaler.max_replicas):
            if limit < scaler.max_replicas:
                return limit, f"the scale-up policies stop at {limit} replicas"
            return scaler.max_replicas, _maximum(scaler)
    elif wanted < current_replicas:
        limit = min(current_replicas, _step_limit(behaviour.scale_down, history, current_replicas, now_s, direction=-1))
        if wanted < max(limit, scaler.min_replicas):
            if limit > scaler.min_replicas:
                return limit, f"the scale-down policies stop at {limit} replicas"
            return scaler.min_replicas, f"minimum of {scaler.min_replicas} replicas"
    return wanted, ""


def record_change(scaler: Scaler, history: History, *, before: int, after: int, now_s: float) -> History:
    """Return the history with a change of replicas added, and what no rule can look back to left out."""
    ups, downs = history.scale_ups, history.scale_downs
    if after > before:
        ups = (*ups, Change(now_s, after - before))
    elif after < before:
        downs = (*downs, Change(now_s, before - after))
    rules = scaler.behaviour or Behaviour()
    policies = (*rules.scale_up.policies, *rules.scale_down.policies)
    longest_s = max((policy.period_s for policy in policies), default=0)
    window_s = max(scaler.scale_down_stabilisation_s, rules.scale_up.stabilisation_s, rules.scale_down.stabilisation_s)
    return History(
        recommendations=_newer(history.recommendations, now_s - window_s),
        scale_ups=_newer(ups, now_s - longest_s),
        scale_downs=_newer(downs, now_s - longest_s),
    )


def _step_limit(rules: ScalingRules, history: History, current_replicas: int, now_s: float, *, direction: int) -> int:
    """Return the replicas at which the policies of one direction (1 up, -1 down) stop."""
    if rules.select == "disabled" or not rules.policies:
        return current_replicas
    limits = [_policy_limit(policy, history, current_replicas, now_s, direction) for policy in rules.policies]
    farthest = (rules.select == "max") == (direction > 0)
    return max(limits) if farthest else min(limits)


def _policy_limit(policy: Policy, history: History, current_replicas: int, now_s: float, direction: int) -> int:
    added = sum(_within(history.scale_ups, policy.period_s, now_s))
    removed = sum(_within(history.scale_downs, policy.period_s, now_s))
    at_start = current_replicas - added + removed
    if policy.kind == "pods":
        return at_start + direction * policy.value
    # Rounded away from the start, so that a small percentage still moves by one.
    if direction > 0:
        return math.ceil(at_start * (100 + policy.value) / 100)
    return at_start * (100 - policy.value) // 100


def _within(changes: Iterable[Change], window_s: float, now_s: float) -> tuple[int, ...]:
    return tuple(change.replicas for change in changes if change.time_s > now_s - window_s)


def _newer(changes: tuple[Change, ...], oldest_s: float) -> tuple[Change, ...]:
    return tuple(change for change in changes if change.time_s >= oldest_s)


def _maximum(scaler: Scaler) -> str:
    return f"maximum of {scaler.max_replicas} replicas"


def _stabilised_down(replicas: int, window_s: float) -> str:
    return f"scale-down stabilisation: {replicas} was recommended within the last {window_s:g} s"
