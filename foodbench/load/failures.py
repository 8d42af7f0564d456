"""Why a request failed."""

from __future__ import annotations

from foodbench.records.loads import FailureKind

__all__ = ["CutShortError", "failure_of_answer", "failure_of_error"]


class CutShortError(Exception):
    """The server ended the connection before its answer was whole."""


def failure_of_answer(status: int, *, has_retry_after: bool) -> FailureKind | None:
    """Return why an answered request counts as failed, or None where it does not.

    As siege does: 408 and 5xx are failures, every other status is a transaction. A 503 with Retry-After is
    how a service refuses work on purpose (RFC 9110, sections 10.2.3 and 15.6.4), so it is kept apart.
    """
    if status == 408:
        return "http-408"
    if status == 503 and has_retry_after:
        return "shed"
    return "http-5xx" if status >= 500 else None


def failure_of_error(error: Exception) -> FailureKind:
    """Return the kind of failure that ``error`` means for the request that ended with it."""
    if isinstance(error, ConnectionRefusedError):
        return "connection-refused"
    if isinstance(error, CutShortError):
        return "connection-closed"
    # Aborted and broken pipe: the same reset, noticed by the kernel or while sending.
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return "connection-reset"
    return "timeout" if isinstance(error, TimeoutError) else "other"
