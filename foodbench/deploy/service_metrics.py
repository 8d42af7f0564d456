"""What a replica's service says of itself in /metrics, read the same way on every target."""

from __future__ import annotations

from collections.abc import Iterator

from foodbench.records.traces import ServiceCounters

__all__ = ["counters_of"]


def counters_of(exposition: str) -> ServiceCounters | None:
    """Return the counters in a service's /metrics; None where it does not give them.

    Args:
        exposition: Prometheus' text format 0.0.4, from a replica that need not be ours.
    """
    samples = tuple(_samples(exposition))
    requests = [(labels, value) for name, labels, value in samples if name == "foodbench_requests_total"]
    depths = [value for name, _, value in samples if name == "foodbench_queue_depth"]
    if not requests or not depths:
        return None
    shed = sum(value for labels, value in requests if 'outcome="shed"' in labels)
    shed += sum(value for name, _, value in samples if name == "foodbench_connections_shed_total")
    connections = [value for name, _, value in samples if name == "foodbench_connections_total"]
    return ServiceCounters(
        connections=connections[0] if connections else None,
        requests=sum(value for _, value in requests),
        shed=shed,
        queue_depth=depths[0],
    )


def _samples(exposition: str) -> Iterator[tuple[str, str, int]]:
    """Yield name, labels and value of foodbench's own samples; what is malformed is passed over."""
    for line in exposition.splitlines():
        if not line.startswith("foodbench_"):
            continue
        written, _, value = line.rpartition(" ")
        name, _, labels = written.partition("{")
        try:
            yield name, labels, round(float(value))
        except (ValueError, OverflowError):
            continue
