from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from foodbench.errors import MachineError, RunFailed
from foodbench.process import find_program, run, spawn_detached


def test_output_and_exit_code_are_kept() -> None:
    done = run([sys.executable, "-c", "import sys; print('out'); sys.exit(3)"], timeout_s=30, check=False)
    assert (done.exit_code, done.output.strip()) == (3, "out")


def test_a_failure_says_the_last_line() -> None:
    with pytest.raises(RunFailed, match="code 4: the reason"):
        run([sys.executable, "-c", "import sys; print('the reason', file=sys.stderr); sys.exit(4)"], timeout_s=30)


def test_a_program_that_does_not_end_is_killed() -> None:
    with pytest.raises(RunFailed, match=r"did not end within 0\.5 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.5)


def test_a_missing_program_says_how_to_get_it() -> None:
    with pytest.raises(MachineError, match="Install it so"):
        find_program("no-such-program-here", remedy="Install it so")
    with pytest.raises(MachineError, match="cannot be started"):
        run(["/no/such/program"], timeout_s=1)


def test_arguments_are_never_read_by_a_shell() -> None:
    done = run([sys.executable, "-c", "import sys; print(sys.argv[1])", "$(id) ; `id`"], timeout_s=30)
    assert done.output.strip() == "$(id) ; `id`"


def test_a_detached_program_has_a_session_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import os, sys; print(os.getsid(0) == os.getpid(), flush=True); sys.stdin.read()"
    pid = spawn_detached([sys.executable, "-c", code], log=log)
    psutil.Process(pid).wait(timeout=30)
    assert log.read_text().strip() == "True"
