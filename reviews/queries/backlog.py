"""What waits to be done, and since when: for the machines and people who look whether it is being done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from policies.models import Switch, Workflow
from reviews.models import Endpoint, Heartbeat
from reviews.queries.seal import newest_checkpoint, oldest_unsealed_at

EVIDENCE = "evidence:"


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many of a kind wait, and the moment since which the first of them does; None where none does."""

    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """As of one moment, read by a fixed number of queries."""

    tickets: Mapping[str, Waiting]  # by group: what nobody has answered yet, claimed or not, since it was opened
    overdue: Waiting  # tickets past their due time that were not escalated yet
    unsettled: Waiting  # verdicts whose hold is over
    deliveries: Waiting  # messages to endpoints and channels that did not arrive yet, since the first was due
    intakes: Waiting  # received to be judged later, and not finished
    failing_endpoints: int
    disabled_endpoints: int
    unsealed_since: datetime | None  # the oldest event that the tree doesn't hold
    checkpoint_at: datetime | None
    heartbeats: Mapping[str, datetime]  # by process
    evidence: Mapping[str, datetime]  # by workflow: when its evidence was assessed last
    paused: Mapping[str, bool]  # by workflow; under "" everything


def backlog(*, now: datetime) -> Backlog:
    """Eight queries, each over what waits and not over what is done."""
    found: dict[str, Waiting] = {}
    tickets: dict[str, Waiting] = {}
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"now": now})
        for kind, group, count, since in cursor.fetchall():
            (tickets if group else found)[group or kind] = Waiting(count, since)
    beats = dict(Heartbeat.objects.values_list("name", "beat_at"))
    checkpoint = newest_checkpoint()
    everything = Switch.objects.values_list("paused", flat=True).first()
    paused = dict(Workflow.objects.order_by("key").values_list("key", "paused"))
    return Backlog(
        tickets=tickets,
        overdue=found["overdue"],
        unsettled=found["unsettled"],
        deliveries=found["deliveries"],
        intakes=found["intakes"],
        failing_endpoints=Endpoint.objects.filter(active=True, failing_since__isnull=False).count(),
        disabled_endpoints=Endpoint.objects.filter(active=False, disabled_at__isnull=False).count(),
        unsealed_since=oldest_unsealed_at(),
        checkpoint_at=checkpoint.created_at if checkpoint else None,
        heartbeats={name: at for name, at in beats.items() if ":" not in name},
        evidence={name.removeprefix(EVIDENCE): at for name, at in beats.items() if name.startswith(EVIDENCE)},
        # The switch that nobody ever touched is there; one that is missing stops everything.
        paused={"": everything is not False, **paused},
    )


# Each part has a partial index that holds what waits and nothing else.
_WAITING = """
    SELECT 'tickets', g.name, count(*), min(t.created_at)
      FROM reviews_ticket t JOIN auth_group g ON g.id = t.group_id
     WHERE t.state IN ('open', 'disputed', 'claimed') GROUP BY g.name
    UNION ALL
    SELECT 'overdue', NULL, count(*), min(due_at) FROM reviews_ticket
     WHERE state IN ('open', 'claimed', 'disputed') AND escalated_at IS NULL AND due_at < %(now)s
    UNION ALL
    SELECT 'unsettled', NULL, count(*), min(effective_at) FROM reviews_ticket
     WHERE state = 'decided' AND effective_at < %(now)s
    UNION ALL
    SELECT 'deliveries', NULL, count(*), min(next_attempt_at) FILTER (WHERE next_attempt_at < %(now)s)
      FROM reviews_delivery WHERE state = 'waiting'
    UNION ALL
    SELECT 'intakes', NULL, count(*), min(received_at) FROM reviews_intake WHERE finished_at IS NULL
"""
