"""Bells for feedback. Each calls one service; all of them may be rung twice, or by two at once."""

from celery import shared_task
from django.utils import timezone

from feedback import services
from reviews.services.ring import ring


@shared_task(name="feedback.tasks.collect_labels")
def collect_labels() -> None:
    """Take in what the log has new, then see at once whether it speaks against any autonomy."""
    collected = services.collect_labels(now=timezone.now())
    if collected.workflows:
        services.assess_autonomy(now=timezone.now(), workflow_ids=collected.workflows)
    if collected.more:
        ring("feedback.tasks.collect_labels")


@shared_task(name="feedback.tasks.assess_autonomy")
def assess_autonomy() -> None:
    services.assess_autonomy(now=timezone.now())
