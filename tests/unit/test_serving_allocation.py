"""The allocator keeps what a request freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ALLOCATING = """
import resource, sys
from foodbench.serving.allocation import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def request():
    # What trims the heap is that all of it is freed between two phases, as between decoding and inference.
    pieces = [bytearray(600_000) for _ in range(3)]
    del pieces

for _ in range(20):
    request()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    request()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 100)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_what_a_request_freed_is_not_faulted_in_anew() -> None:
    def faults(treatment: str) -> float:
        ended = subprocess.run(
            [sys.executable, "-c", ALLOCATING, treatment], capture_output=True, check=True, text=True
        )
        return float(ended.stdout)

    assert faults("leave") > 100
    assert faults("keep") < 10
