"""Alarms that nobody has closed."""

from feedback.models import Alarm
from policies.models import Workflow


def open_alarms(workflow: Workflow) -> tuple[Alarm, ...]:
    """Of one workflow, newest first. One query."""
    return tuple(Alarm.objects.filter(workflow=workflow, closed_at__isnull=True).order_by("-raised_at"))
