"""What a Celery worker does when it is rung: each calls one service, and may run twice or in parallel."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from reviews.services.beat import beat as write_heartbeat
from reviews.services.deliver import deliver_due
from reviews.services.ingest import ingest_chunk
from reviews.services.ring import ring

CHUNKS_AT_ONCE = 20


@shared_task(name="reviews.tasks.ingest_intake")
def ingest_intake(intake_id: str) -> None:
    """Takes in some chunks, then lets others have a turn."""
    for _ in range(CHUNKS_AT_ONCE):
        if not ingest_chunk(UUID(intake_id), now=timezone.now()):
            return
    ring("reviews.tasks.ingest_intake", intake_id)


@shared_task(name="reviews.tasks.deliver")
def deliver() -> None:
    """Sends the webhooks that are due; while one call is at it, another has nothing to do."""
    deliver_due(now=timezone.now())


@shared_task(name="reviews.tasks.beat")
def beat() -> None:
    """Shows that a worker takes what is rung: the sweeper rings it every few seconds."""
    write_heartbeat("worker", now=timezone.now())
