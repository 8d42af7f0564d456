"""The CPU really available, read from trees shaped like those of real systems."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from foodbench.serving.cpu import AvailableCpu, available_cpu, quota_cores, worker_count

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "35 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_v2_in_a_container(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        },
    )
    assert quota_cores(root) == 1.5


def test_v2_takes_the_tightest_of_all_levels(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a/b/c\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/a/b/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/a/b/c/cpu.max": "max 100000\n",
        },
    )
    assert quota_cores(root) == 0.5


def test_v1_below_its_mount(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/pod/one\n0::/elsewhere\n",
            "proc/self/mountinfo": V1_MOUNT,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/pod/one/cpu.cfs_quota_us": "25000\n",
            "sys/fs/cgroup/cpu,cpuacct/pod/one/cpu.cfs_period_us": "50000\n",
        },
    )
    assert quota_cores(root) == 0.5


def test_v1_in_a_container_that_sees_the_hosts_path(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "3:cpu:/docker/abc\n",
            "proc/self/mountinfo": V1_MOUNT.replace(" / ", " /docker/abc ", 1).replace("cpu,cpuacct", "cpu"),
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert quota_cores(root) == 2.0


@pytest.mark.parametrize("content", ["max 100000\n", "", "nonsense\n", "1 0\n", "x y\n"])
def test_no_quota(tmp_path: Path, content: str) -> None:
    root = tree(
        tmp_path,
        {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2_MOUNT, "sys/fs/cgroup/cpu.max": content},
    )
    assert quota_cores(root) is None


def test_nothing_readable_is_no_quota(tmp_path: Path) -> None:
    assert quota_cores(tmp_path) is None


def test_affinity_bounds_what_is_available(tmp_path: Path) -> None:
    assert available_cpu(tmp_path) == AvailableCpu(affinity_cores=len(os.sched_getaffinity(0)), quota_cores=None)
    assert AvailableCpu(affinity_cores=2, quota_cores=6.0).cores == 2
    assert AvailableCpu(affinity_cores=8, quota_cores=0.25).cores == 0.25


@pytest.mark.parametrize(("cores", "workers"), [(0.1, 1), (1.0, 1), (1.01, 2), (1.5, 2), (2.0, 2), (7.2, 8)])
def test_workers_use_the_cores_in_full(cores: float, workers: int) -> None:
    assert worker_count(cores) == workers
