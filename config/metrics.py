"""What Prometheus is told: what this process counted, and what waits in the database and since when.

docs/operations.md says of each metric what it means and what to do; a test compares the two.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import Error
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from feedback.queries.alarms import unacknowledged_counts
from reviews.domain.vocabulary import RestoreCause
from reviews.queries.backlog import backlog
from reviews.queries.machine import machine


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
    does = machine(evidence_max_age=timedelta(seconds=settings.EVIDENCE_MAX_AGE_SECONDS), now=now)
    deliveries, intakes, sealing = does.deliveries, does.intakes, does.sealing

    def age(since: datetime | None) -> float:
        return max(0.0, (now - since).total_seconds()) if since else 0.0

    plain = {
        "database_up": ("Whether the database answers.", 1),
        "tickets_overdue": ("Tickets past their due time that were not escalated yet.", found.overdue.count),
        "unsettled_seconds": ("How long ago the oldest hold ended that is not settled.", age(found.unsettled.since)),
        "deliveries_waiting": ("Messages that did not arrive yet.", deliveries.waiting),
        "deliveries_due_seconds": ("How long the first of them has been due.", age(deliveries.due_since)),
        "deliveries_dead": ("Messages that were given up and not sent again.", deliveries.dead),
        "endpoints_failing": ("Endpoints whose last message did not arrive.", found.failing_endpoints),
        "endpoints_disabled": ("Endpoints that were disabled for failing.", found.disabled_endpoints),
        "intakes_waiting": ("Intakes that are not finished.", intakes.unfinished),
        "intake_oldest_seconds": ("How long ago the oldest of them was received.", age(intakes.since)),
        "unsealed_oldest_seconds": ("Age of the oldest event that is not sealed.", age(sealing.unsealed_since)),
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
            {beat.name: age(beat.at) for beat in does.processes},
        ),
        "evidence_age_seconds": (
            "How long ago a workflow's evidence was assessed.",
            "workflow",
            {beat.name: age(beat.at) for beat in does.evidence},
        ),
        "paused": (
            "Whether a workflow is stopped; without a name, everything.",
            "workflow",
            {workflow: float(paused) for workflow, paused in found.paused.items()},
        ),
        "log_stopped": (
            "Whether the log, and all that runs alone, is stopped, since it is not what it was.",
            "cause",
            {cause: float(cause == sealing.stopped) for cause in RestoreCause.values},
        ),
        "alarms_open": ("Alarms that nobody has acknowledged and that are not over.", "kind", unacknowledged_counts()),
    }
    if sealing.checkpoint_at:
        plain["checkpoint_age_seconds"] = ("Age of the newest checkpoint of the log.", age(sealing.checkpoint_at))
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
