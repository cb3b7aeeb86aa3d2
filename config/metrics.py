"""What Prometheus is told: what this process counted, and what waits in the database and since when.

docs/operations.md says of each metric what it means and what to do; a test compares the two.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from django.db import Error
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from feedback.queries.alarms import unacknowledged_counts
from reviews.queries.backlog import backlog


def exposition() -> bytes:
    """The second part is the same whichever process is asked."""
    return generate_latest() + generate_latest(_of_the_database)


class OfTheDatabase(Collector):
    """What waits and since when, read when it is asked for. docs/operations.md says of each what to do."""

    def collect(self) -> Iterable[Metric]:
        try:
            yield from _gauges(now=datetime.now(tz=UTC))
        except Error:
            yield GaugeMetricFamily("countersign_database_up", "Whether the database answers.", value=0)


def _gauges(*, now: datetime) -> list[Metric]:
    """Ages are in seconds; one of what doesn't wait is 0."""
    found = backlog(now=now)

    def age(since: datetime | None) -> float:
        return max(0.0, (now - since).total_seconds()) if since else 0.0

    plain = {
        "database_up": ("Whether the database answers.", 1),
        "tickets_overdue": ("Tickets past their due time that were not escalated yet.", found.overdue.count),
        "unsettled_seconds": ("How long ago the oldest hold ended that is not settled.", age(found.unsettled.since)),
        "deliveries_waiting": ("Messages that did not arrive yet.", found.deliveries.count),
        "deliveries_due_seconds": ("How long the first of them has been due.", age(found.deliveries.since)),
        "endpoints_failing": ("Endpoints whose last message did not arrive.", found.failing_endpoints),
        "endpoints_disabled": ("Endpoints that were disabled for failing.", found.disabled_endpoints),
        "intakes_waiting": ("Intakes that are not finished.", found.intakes.count),
        "intake_oldest_seconds": ("How long ago the oldest of them was received.", age(found.intakes.since)),
        "unsealed_oldest_seconds": ("Age of the oldest event that is not sealed.", age(found.unsealed_since)),
    }
    labelled: dict[str, tuple[str, str, Mapping[str, float]]] = {
        "tickets_waiting": (
            "Tickets that wait for a verdict.",
            "group",
            {group: waiting.count for group, waiting in found.tickets.items()},
        ),
        "ticket_oldest_seconds": (
            "How long ago the oldest of them was opened.",
            "group",
            {group: age(waiting.since) for group, waiting in found.tickets.items()},
        ),
        "heartbeat_age_seconds": (
            "How long ago a process last showed that it works.",
            "process",
            {name: age(at) for name, at in found.heartbeats.items()},
        ),
        "evidence_age_seconds": (
            "How long ago a workflow's evidence was assessed.",
            "workflow",
            {workflow: age(at) for workflow, at in found.evidence.items()},
        ),
        "paused": (
            "Whether a workflow is stopped; without a name, everything.",
            "workflow",
            {workflow: float(paused) for workflow, paused in found.paused.items()},
        ),
        "alarms_open": ("Alarms that nobody has acknowledged and that are not over.", "kind", unacknowledged_counts()),
    }
    if found.checkpoint_at:
        plain["checkpoint_age_seconds"] = ("Age of the newest checkpoint of the log.", age(found.checkpoint_at))
    metrics: list[Metric] = [
        GaugeMetricFamily(f"countersign_{name}", says, value) for name, (says, value) in plain.items()
    ]
    for name, (says, label, values) in labelled.items():
        metric = GaugeMetricFamily(f"countersign_{name}", says, labels=[label])
        for labelling, value in values.items():
            metric.add_metric([labelling], value)
        metrics.append(metric)
    return metrics


_of_the_database = CollectorRegistry()
_of_the_database.register(OfTheDatabase())
