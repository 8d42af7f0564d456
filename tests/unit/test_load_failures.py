"""Which requests failed and why, how long a user then waits, and what is noted."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodbench.load.failures import CutShortError, failure_of_answer, failure_of_error
from foodbench.load.messages import Began, Ended, Message, Running, WarmedUp, parse_message
from foodbench.load.notes import notes_on
from foodbench.load.pacing import AT_ONCE_S, MOST_ATTEMPTS_PER_S, pause_after
from foodbench.records.experiments import LoadProfile
from foodbench.records.loads import FailureCount


@given(st.integers(100, 599), st.booleans())
def test_an_answer_fails_as_siege_says(status: int, has_retry_after: bool) -> None:  # noqa: FBT001
    failure = failure_of_answer(status, has_retry_after=has_retry_after)
    assert (failure is not None) == (status == 408 or status >= 500)
    assert (failure == "shed") == (status == 503 and has_retry_after)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ECONNREFUSED, "refused"), "connection-refused"),
        (OSError(errno.ECONNRESET, "reset"), "connection-reset"),
        (OSError(errno.EPIPE, "broken pipe"), "connection-reset"),
        (OSError(errno.ECONNABORTED, "aborted"), "connection-reset"),
        (OSError(errno.ETIMEDOUT, "timed out"), "timeout"),
        (CutShortError("cut"), "connection-closed"),
        (OSError(errno.EADDRNOTAVAIL, "no port left"), "other"),
        (OSError(errno.EHOSTUNREACH, "no route"), "other"),
        (ValueError("not HTTP"), "other"),
    ],
)
def test_an_error_has_a_kind(error: Exception, kind: str) -> None:
    assert failure_of_error(error) == kind


@given(st.integers(1, 10_000))
def test_users_wait_only_where_connections_fail_at_once(users: int) -> None:
    pause_s = pause_after("connection-refused", 0.0, users)
    assert 0 < pause_s <= 1
    assert users / pause_s <= MOST_ATTEMPTS_PER_S * max(1, users / MOST_ATTEMPTS_PER_S) * (1 + 1e-9)
    assert pause_after("connection-refused", AT_ONCE_S, users) == 0
    for failure in ("timeout", "shed", "http-5xx", "http-408", "other", None):
        assert pause_after(failure, 0.0, users) == 0


def test_what_differs_from_siege_is_noted() -> None:
    refused = FailureCount(kind="connection-refused", count=3, first_at_s=0, last_at_s=1, example="refused")
    profile = LoadProfile(users=10)
    assert notes_on(profile, (), 0.1) == ()
    (waited,) = notes_on(profile, (refused,), 0.1)
    assert "20 ms" in waited
    (busy,) = notes_on(profile, (), 0.97)
    assert "0.97" in busy


@pytest.mark.parametrize(
    "message",
    [
        WarmedUp(requests=3),
        Began(started_at=1.5),
        Running(elapsed_s=1, cpu_s=0.5, samples=7),
        Ended(elapsed_s=1, cpu_s=0.5, samples=7, complete=True),
    ],
)
def test_messages_survive_the_pipe(message: Message) -> None:
    assert parse_message(message.model_dump_json().encode()) == message
