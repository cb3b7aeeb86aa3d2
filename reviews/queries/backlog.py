"""What waits for people to answer or for the sweeper to act on, and what is stopped: as Prometheus is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Q

from policies.models import Switch, Workflow
from reviews.models import Endpoint


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
    failing_endpoints: int
    disabled_endpoints: int
    paused: Mapping[str, bool]  # by workflow; under "" everything


def backlog(*, now: datetime) -> Backlog:
    """Four queries, each over what waits and not over what is done."""
    found: dict[str, Waiting] = {}
    tickets: dict[str, Waiting] = {}
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"now": now})
        for kind, group, count, since in cursor.fetchall():
            (tickets if group else found)[group or kind] = Waiting(count, since)
    failing, disabled = Q(active=True, failing_since__isnull=False), Q(active=False, disabled_at__isnull=False)
    endpoints = Endpoint.objects.aggregate(failing=Count("pk", filter=failing), disabled=Count("pk", filter=disabled))
    everything = Switch.objects.values_list("paused", flat=True).first()
    paused = dict(Workflow.objects.order_by("key").values_list("key", "paused"))
    return Backlog(
        tickets=tickets,
        overdue=found["overdue"],
        unsettled=found["unsettled"],
        failing_endpoints=endpoints["failing"],
        disabled_endpoints=endpoints["disabled"],
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
"""
