from typing import Any

import builders
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.analysis.validity import FEWEST_TRANSACTIONS, judge
from foodbench.records.deployments import Capacity
from foodbench.records.runs import Validity


def judged(**changes: Any) -> Validity:
    facts: dict[str, Any] = {
        "variant": builders.variant(),
        "load": builders.load_result(),
        "resources": builders.resource_summary(),
        "cpu_limiter": "cgroup-v2",
        "capacity": Capacity(cores=2.0, shared_with_generator=True),
        "generator_reserve_cores": 0.5,
    }
    return judge(**facts | changes)


def loaded(**changes: Any) -> Any:
    return builders.load_result(figures=builders.siege_figures(**changes))


FIVE_WHOLE_CORES = builders.variant(mode="lb")

ELSEWHERE = Capacity(cores=4.0, shared_with_generator=False)

CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing measured": ({"load": None, "failure": "out of ports"}, "out of ports", "again"),
    "load ended early": ({"load": builders.load_result(complete=False)}, "ended after 29.5 of 30 s", "load generator"),
    "only 404": ({"load": loaded(successful_transactions=0)}, "status 400 to 499", "path /test"),
    "no answer": ({"load": loaded(successful_transactions=0, transactions=0)}, "no request was answered", "failures"),
    "oversubscribed": ({"variant": FIVE_WHOLE_CORES}, "need 5.5 cores, 2 are usable", "0.3 cores"),
    "beyond the nodes": ({"variant": FIVE_WHOLE_CORES, "capacity": ELSEWHERE}, "the nodes have 4", "0.8 cores"),
    "one of several": (
        {"variant": FIVE_WHOLE_CORES, "load_balancer": "port-forward"},
        "leads to one of up to 5 replicas only",
        "--service LoadBalancer",
    ),
    "no room at all": (
        {"variant": FIVE_WHOLE_CORES, "capacity": Capacity(cores=0.5, shared_with_generator=True)},
        "need 5.5 cores",
        "Use a machine with 6 cores",
    ),
    "hpa counts its most replicas": ({"variant": builders.variant(mode="hpa")}, "5 x 1 cores", "0.3 cores"),
    "no limit": ({"cpu_limiter": None}, "no CPU limit", "doctor"),
    "generator saturated": ({"load": builders.load_result(generator_cpu_cores=0.95)}, "0.95 of the one core", "Lower"),
    "generator took cores": (
        {
            "load": builders.load_result(generator_cpu_cores=0.62),
            "capacity": Capacity(cores=1.5, shared_with_generator=True),
        },
        "used 0.62 cores",
        "generator_reserve_cores to 0.65",
    ),
    "too few": ({"load": loaded(transactions=12)}, "only 12 transactions", "Load it for 197 s"),
    "not observed": ({"resources": None}, "were not read", "observer"),
    "no readings": ({"resources": builders.resource_summary(samples=0)}, "were not read", "observer"),
    "gaps": ({"resources": builders.resource_summary(samples=30, gaps=4)}, "4 of 30", "machine alone"),
}


@pytest.mark.parametrize(("facts", "cause", "fix"), CASES.values(), ids=CASES.keys())
def test_an_invalid_cell_has_one_cause_and_one_fix(facts: dict[str, Any], cause: str, fix: str) -> None:
    found = judged(**facts)
    assert not found.valid
    assert cause in found.cause
    assert fix in found.fix
    assert "\n" not in found.cause + found.fix


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"load": builders.load_result(generator_cpu_cores=None)},
        {"load": loaded(transactions=FEWEST_TRANSACTIONS)},
        {"load": loaded(availability_percent=8.58, failed_transactions=1033)},
        {"resources": builders.resource_summary(samples=30, gaps=3)},
        {"variant": builders.variant(mode="lb", resources=builders.resources(cpu_limit_cores=0.3))},
    ],
    ids=["usual", "generator unread", "just enough", "low availability", "few gaps", "fits exactly"],
)
def test_a_result_however_bad_is_valid_where_nothing_disturbed_it(facts: dict[str, Any]) -> None:
    assert judged(**facts) == Validity(valid=True)


def test_what_makes_the_others_meaningless_is_told_first() -> None:
    broken = builders.load_result(complete=False, figures=builders.siege_figures(transactions=3))
    assert "ended after" in judged(load=broken, cpu_limiter=None, resources=None).cause


@given(
    replicas=st.integers(1, 20),
    limit=st.floats(0.05, 8),
    cores=st.integers(1, 64),
    reserve=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_the_fix_for_too_few_cores_fits(replicas: int, limit: float, cores: int, reserve: float) -> None:
    """Either the cell is valid, or the limit the fix names makes it so."""

    def with_limit(cpu_limit_cores: float) -> Validity:
        resources = builders.resources(cpu_limit_cores=cpu_limit_cores)
        variant = builders.variant(mode="lb", replicas=replicas, resources=resources)
        load = builders.load_result(generator_cpu_cores=0.0)
        return judged(
            variant=variant,
            load=load,
            capacity=Capacity(cores=float(cores), shared_with_generator=True),
            generator_reserve_cores=reserve,
        )

    found = with_limit(limit)
    if not found.valid and "Limit each replica" in found.fix:
        fitting = float(found.fix.split("replica to ")[1].split()[0])
        assert with_limit(fitting).valid
        assert fitting < limit
    elif not found.valid:
        assert reserve + replicas * 0.01 > cores


@pytest.mark.parametrize(
    "capacity", [Capacity(cores=5.0, shared_with_generator=False), Capacity(cores=None, shared_with_generator=True)]
)
def test_on_other_machines_replicas_need_not_leave_room_for_the_generator(capacity: Capacity) -> None:
    load = builders.load_result(generator_cpu_cores=0.8)
    assert judged(variant=FIVE_WHOLE_CORES, load=load, capacity=capacity).valid
    assert not judged(
        variant=FIVE_WHOLE_CORES, load=load, capacity=Capacity(cores=5.0, shared_with_generator=True)
    ).valid


def test_a_port_forward_to_the_only_replica_is_a_way_to_it() -> None:
    assert judged(load_balancer="port-forward").valid


def test_a_load_that_its_failures_ended_has_measured_what_there_was() -> None:
    few = builders.siege_figures(transactions=38, failed_transactions=1033)
    load = builders.load_result(complete=False, stopped_after_failures=1033, figures=few)
    assert judged(load=load).valid
    assert not judged(load=builders.load_result(complete=False, figures=few)).valid
