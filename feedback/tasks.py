"""Bells for feedback. Each calls one service; all of them may be rung twice, or by two at once."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from feedback import services
from reviews.services.ring import ring


@shared_task(name="feedback.tasks.collect_labels")
def collect_labels() -> None:
    """Take in what the log has new, then see at once whether it speaks against any autonomy."""
    collected = services.collect_labels(now=timezone.now())
    if collected.escalated:
        services.sow_known_answers(collected.escalated, now=timezone.now())
    if collected.workflows:
        services.assess_autonomy(now=timezone.now(), workflow_ids=collected.workflows)
    if collected.more:
        ring("feedback.tasks.collect_labels")


@shared_task(name="feedback.tasks.assess_autonomy")
def assess_autonomy() -> None:
    """Rung by the clock: takes planned looks, sees to what was purged, rings again for runs whose own bell was lost."""
    services.assess_autonomy(now=timezone.now())
    services.take_looks(now=timezone.now())
    services.empty_comments()
    services.answer_what_was_asked(now=timezone.now())
    for export_id in services.unfinished_exports():
        ring("feedback.tasks.run_export", str(export_id))
    for backtest_id in services.unfinished_backtests():
        ring("feedback.tasks.run_backtest", str(backtest_id))


@shared_task(name="feedback.tasks.run_backtest")
def run_backtest(backtest_id: str) -> None:
    services.run_backtest(UUID(backtest_id), now=timezone.now())


@shared_task(name="feedback.tasks.run_export")
def run_export(export_id: str) -> None:
    services.run_export(UUID(export_id), now=timezone.now())
