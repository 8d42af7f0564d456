"""Limits by cgroup, on folders that look like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from foodbench.deploy.local.limits import LimiterUnavailable, Limits, cgroup_v1, cgroup_v2
from foodbench.deploy.local.limits.membership import read_membership

LIMITS = Limits(cpu_cores=0.5, memory_bytes=2**28)

V1_MOUNTS = """\
31 28 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 28 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 28 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
34 28 0:30 / /home rw - ext4 /dev/sda rw
"""
V2_MOUNTS = "31 28 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"


def machine(root: Path, mounts: str, membership: str) -> Path:
    proc = root / "proc" / "self"
    proc.mkdir(parents=True)
    (proc / "mountinfo").write_text(mounts)
    (proc / "cgroup").write_text(membership)
    return root


def test_v1_groups_are_made_below_this_process_own(tmp_path: Path) -> None:
    root = machine(tmp_path, V1_MOUNTS, "4:memory:/\n1:cpu,cpuacct:/jobs/7\n0::/\n")
    cpu, memory = cgroup_v1.find_parents(read_membership(root=root))
    assert cpu == root / "sys/fs/cgroup/cpu,cpuacct/jobs/7"
    assert memory == root / "sys/fs/cgroup/memory"


def test_a_v1_memory_group_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    root = machine(tmp_path, V1_MOUNTS, "4:memory:/jobs/7\n1:cpu,cpuacct:/\n")
    assert cgroup_v1.find_parents(read_membership(root=root))[1] is None


def test_in_a_container_paths_are_relative_to_what_is_mounted(tmp_path: Path) -> None:
    mounts = "31 28 0:27 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
    root = machine(tmp_path, mounts, "1:cpu:/docker/abc/inner\n2:memory:/docker/abc\n")
    assert cgroup_v1.find_parents(read_membership(root=root)) == (root / "sys/fs/cgroup/cpu/inner", None)
    elsewhere = machine(tmp_path / "b", mounts, "1:cpu:/other\n")
    with pytest.raises(LimiterUnavailable):
        cgroup_v1.find_parents(read_membership(root=elsewhere))


def test_v2_takes_the_nearest_group_that_hands_down_cpu(tmp_path: Path) -> None:
    root = machine(tmp_path, V2_MOUNTS, "0::/user.slice/user@1000.service/app.slice/term.scope\n")
    top = root / "sys/fs/cgroup"
    own = top / "user.slice/user@1000.service/app.slice/term.scope"
    own.mkdir(parents=True)
    for group, controllers in (
        (top, "cpu memory"),
        (own.parent.parent, "cpu memory pids"),
        (own.parent, "memory"),
        (own, ""),
    ):
        (group / "cgroup.subtree_control").write_text(f"{controllers}\n")
    assert cgroup_v2.find_parent(read_membership(root=root)) == own.parent.parent


def test_v2_without_a_cpu_controller_says_so(tmp_path: Path) -> None:
    root = machine(tmp_path, V1_MOUNTS, "0::/\n1:cpu,cpuacct:/\n")
    (root / "sys/fs/cgroup/unified").mkdir(parents=True)
    (root / "sys/fs/cgroup/unified/cgroup.subtree_control").write_text("\n")
    with pytest.raises(LimiterUnavailable, match="cpu controller"):
        cgroup_v2.find_parent(read_membership(root=root))


def test_a_machine_without_cgroups_has_none(tmp_path: Path) -> None:
    membership = read_membership(root=tmp_path)
    with pytest.raises(LimiterUnavailable, match="not mounted"):
        cgroup_v2.find_parent(membership)
    with pytest.raises(LimiterUnavailable):
        cgroup_v1.find_parents(membership)


def test_v1_limits_are_set_and_joined(tmp_path: Path) -> None:
    cpu, memory = tmp_path / "cpu", tmp_path / "memory"
    cpu.mkdir()
    memory.mkdir()
    limit = cgroup_v1.CgroupV1Limiter(cpu, memory).limit("foodbench-d-r", LIMITS)
    group = cpu / "foodbench-d-r"
    assert (group / "cpu.cfs_period_us").read_text() == "100000\n"
    assert (group / "cpu.cfs_quota_us").read_text() == "50000\n"
    assert (memory / "foodbench-d-r" / "memory.limit_in_bytes").read_text() == f"{2**28}\n"
    joined = ("--join", str(group / "cgroup.procs"), "--join", str(memory / "foodbench-d-r" / "cgroup.procs"))
    assert limit.launch_options == joined
    assert limit.memory_enforced


def test_v1_reads_throttling_oom_and_peak(tmp_path: Path) -> None:
    limit = cgroup_v1.CgroupV1Limit(tmp_path, tmp_path)
    assert limit.throttled_s() is None
    assert limit.oom_kills() == 0
    (tmp_path / "cpu.stat").write_text("nr_periods 10\nnr_throttled 4\nthrottled_time 2500000000\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text("268435456\n")
    assert limit.throttled_s() == 2.5
    assert limit.oom_kills() == 2
    assert limit.peak_memory_bytes() == 2**28


def test_without_a_memory_group_memory_has_to_be_watched(tmp_path: Path) -> None:
    limit = cgroup_v1.CgroupV1Limiter(tmp_path, None).limit("foodbench-d-r", LIMITS)
    assert not limit.memory_enforced
    assert limit.peak_memory_bytes() is None


def test_v2_limits_are_set_and_read(tmp_path: Path) -> None:
    group = tmp_path / "foodbench-d-r"
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    (group / "memory.swap.max").write_text("max\n")
    limit = cgroup_v2.CgroupV2Limiter(tmp_path).limit("foodbench-d-r", LIMITS)
    assert (group / "cpu.max").read_text() == "50000 100000\n"
    assert (group / "memory.max").read_text() == f"{2**28}\n"
    assert (group / "memory.swap.max").read_text() == "0\n"
    assert limit.memory_enforced
    (group / "cpu.stat").write_text("usage_usec 9\nthrottled_usec 1500000\n")
    (group / "memory.events").write_text("oom 1\noom_kill 1\n")
    assert limit.throttled_s() == 1.5
    assert limit.oom_kills() == 1


def test_a_group_that_cannot_be_made_is_no_limit(tmp_path: Path) -> None:
    with pytest.raises(LimiterUnavailable, match="cannot make"):
        cgroup_v2.CgroupV2Limiter(tmp_path / "absent").limit("foodbench-d-r", LIMITS)
