"""The sampler on a real process: what it integrates is what the kernel counted."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from foodbench.analysis.resources import summarise_resources
from foodbench.observe import COUNTS_FILE, REPLICAS_FILE, watching
from foodbench.records.traces import DEPLOYMENT_COLUMNS, REPLICA_COLUMNS, ReplicaUsage, ServiceCounters
from foodbench.streams import read_stream

pytestmark = pytest.mark.processes

DEADLINE_S = 60.0
BURN = "import sys\nsys.stdout.write('.')\nsys.stdout.flush()\nwhile True: pass\n"


@dataclass
class OneProcess:
    """Reads a process, and remembers what it read."""

    process: psutil.Process
    readings: list[ReplicaUsage] = field(default_factory=list)

    def usage(self) -> tuple[ReplicaUsage, ...]:
        times = self.process.cpu_times()
        memory_bytes = self.process.memory_info().rss
        cpu_s = times.user + times.system
        reading = ReplicaUsage(replica="a", memory_bytes=memory_bytes, cpu_s=cpu_s, throttled_s=None, ready=True)
        self.readings.append(reading)
        return (reading,)

    def service_counters(self) -> dict[str, ServiceCounters]:
        return {}

    def replica_counts(self) -> tuple[int, int]:
        return 1, 1

    @property
    def used_s(self) -> float:
        return self.readings[-1].cpu_s - self.readings[0].cpu_s if self.readings else 0.0


def test_cpu_integrated_over_the_samples_is_what_the_process_used(tmp_path: Path) -> None:
    interval_s = 0.1
    with subprocess.Popen([sys.executable, "-c", BURN], stdout=subprocess.PIPE) as burning:
        assert burning.stdout is not None
        burning.stdout.read(1)
        source = OneProcess(psutil.Process(burning.pid))
        try:
            with watching(source, tmp_path, interval_s):
                deadline = time.monotonic() + DEADLINE_S
                while source.used_s < 0.3:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
        finally:
            burning.kill()
    replicas = read_stream(tmp_path / REPLICAS_FILE, REPLICA_COLUMNS)
    counts = read_stream(tmp_path / COUNTS_FILE, DEPLOYMENT_COLUMNS)
    times = replicas["time_s"].to_pylist()
    summary = summarise_resources(replicas, counts, memory_loaded_bytes=1, interval_s=interval_s)
    assert summary.samples == len(source.readings) == len(times)
    assert summary.cpu_total_mean_cores * (times[-1] - times[0]) == pytest.approx(source.used_s, rel=1e-6)
    assert summary.memory_total_peak_bytes == max(reading.memory_bytes for reading in source.readings)
    assert (summary.replicas_mean, summary.replicas_peak) == (1.0, 1)


def test_a_process_that_is_gone_is_an_error_and_what_was_read_before_stays(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", BURN], stdout=subprocess.PIPE) as burning:
        assert burning.stdout is not None
        burning.stdout.read(1)
        source = OneProcess(psutil.Process(burning.pid))

        def load() -> None:
            with watching(source, tmp_path, interval_s=3_600):
                deadline = time.monotonic() + DEADLINE_S
                while not source.readings:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                burning.kill()
                burning.wait()

        with pytest.raises(psutil.NoSuchProcess):
            load()
    assert len(read_stream(tmp_path / REPLICAS_FILE, REPLICA_COLUMNS)) == 1
