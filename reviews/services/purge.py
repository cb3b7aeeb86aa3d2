"""The purge: what was said and proposed is emptied once its workflow's retention is over. Hashes, figures and log stay.

A function of the database's owner empties the columns, and refuses whatever still waits or is younger than that.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from policies.models import Workflow
from reviews.domain.vocabulary import EventKind
from reviews.models import Decision, Heartbeat
from reviews.queries.machine import PURGE
from reviews.services.beat import beat
from reviews.services.record import record

EVERY: Final = timedelta(days=1)
A_ROUND: Final = 200
"""Decisions that one round of the sweeper purges, so that nothing else waits for it for long."""
STRETCH: Final = 500


def purge_some(*, now: datetime, most: int = A_ROUND) -> int:
    """Once a day purge what is past its retention, `most` a round until all is; how many were. Writes a heartbeat."""
    last = Heartbeat.objects.filter(pk=PURGE).first()
    unfinished = bool(last and last.detail.get("unfinished"))
    if last is not None and not unfinished and now - last.beat_at < EVERY:
        return 0
    count = purge_due(now=now, most=most)
    beat(PURGE, now=now, detail={"unfinished": count >= most})
    return count


def purge_due(*, now: datetime, most: int | None = None) -> int:
    """Purge every decision past its retention, or at most so many; how many were.

    Each in a transaction of its own, with an event. What still waits for a person or for its hold to end is left.
    """
    count = 0
    for decision_id, days in _past_retention(now=now):
        if count == most:
            break
        count += _purge(decision_id, days=days, now=now)
    return count


def _purge(decision_id: UUID, *, days: int, now: datetime) -> bool:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT purge_decision(%s)", [decision_id])
            (purged,) = cursor.fetchone()
        if purged:
            decision = Decision.everything.only("client_id", "workflow_id").get(pk=decision_id)
            body = {"decision": str(decision_id), "retention_days": days}
            record(EventKind.DECISION_PURGED, now=now, decision=decision, body=body)
        return bool(purged)


def _past_retention(*, now: datetime) -> Iterator[tuple[UUID, int]]:
    """What may be purged, with its workflow's retention in days: the oldest first, a stretch at a time."""
    kept = Workflow.objects.filter(retention_days__isnull=False).order_by("pk")
    for workflow_id, days in kept.values_list("pk", "retention_days"):
        assert days is not None, "only those with a retention were asked for"
        old = Decision.everything.filter(
            workflow=workflow_id, purged_at__isnull=True, received_at__lt=now - timedelta(days=days)
        ).order_by("pk")
        after = UUID(int=0)
        while stretch := list(old.filter(pk__gt=after).values_list("pk", flat=True)[:STRETCH]):
            for decision_id in stretch:
                yield decision_id, days
            after = stretch[-1]
