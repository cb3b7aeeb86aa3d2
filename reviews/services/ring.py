"""Rings a Celery worker for rows that are already committed. A lost bell costs seconds: the sweeper rings again."""

import time

import structlog
from celery import current_app
from django.db import transaction
from prometheus_client import Counter

logger = structlog.get_logger(__name__)
LOST = Counter("countersign_bells_lost_total", "Bells that the broker did not take.", ["task"])
# After a failure nobody tries for so long: a broker that hangs would cost each request its time-out.
REST_SECONDS = 2.0
# The sweeper rings again and again for what waits. While no worker answers, that would fill the broker, and the worker
# that comes at last would go through a minute's stale bells for each minute it was away.
STALE_AFTER_SECONDS = 20
_quiet_until = 0.0


def ring(task: str, *args: str | int) -> None:
    """Ask for the task by its registered name, after the surrounding transaction has committed.

    Never raises and never holds its caller longer than the broker's time-out of a second.
    """
    transaction.on_commit(lambda: _send(task, args))


def _send(task: str, args: tuple[str | int, ...]) -> None:
    global _quiet_until
    if time.monotonic() < _quiet_until:
        LOST.labels(task).inc()
        return
    try:
        current_app.send_task(task, args=args, ignore_result=True, retry=False, expires=STALE_AFTER_SECONDS)
    except Exception as error:  # noqa: BLE001  whatever the broker's client raises, the row is the truth
        _quiet_until = time.monotonic() + REST_SECONDS
        LOST.labels(task).inc()
        logger.warning("bell lost", task=task, error=str(error))
