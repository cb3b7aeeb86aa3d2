"""Alarms that nobody has acknowledged."""

from django.db.models import Count

from feedback.domain.vocabulary import AlarmKind
from feedback.models import Alarm
from policies.models import Workflow


def open_alarms(workflow: Workflow) -> tuple[Alarm, ...]:
    """Of one workflow, newest first. One query."""
    return tuple(Alarm.objects.filter(workflow=workflow, closed_at__isnull=True).order_by("-raised_at"))


def unacknowledged() -> tuple[Alarm, ...]:
    """Of all workflows, newest first. One query."""
    return tuple(Alarm.objects.filter(closed_at__isnull=True).select_related("workflow").order_by("-raised_at"))


def open_alarm_counts() -> dict[str, int]:
    """How many of each kind, none included. One query."""
    counted = Alarm.objects.filter(closed_at__isnull=True).values_list("kind").annotate(Count("pk"))
    return {**dict.fromkeys(AlarmKind.values, 0), **dict(counted.order_by())}
