"""Alarms that are not over."""

from django.db.models import Count, QuerySet

from feedback.domain.vocabulary import AlarmKind
from feedback.models import Alarm
from feedback.queries.labels import Key
from policies.models import Workflow

PAST = 20


def open_alarms(workflow: Workflow) -> tuple[Alarm, ...]:
    """Of one workflow: those that nobody has acknowledged first, newest first. One query."""
    return _in_order(Alarm.objects.filter(workflow=workflow, over_at__isnull=True).select_related("acknowledged_by"))


def standing_alarms() -> tuple[Alarm, ...]:
    """Of all workflows: those that nobody has acknowledged first, newest first. One query."""
    return _in_order(Alarm.objects.filter(over_at__isnull=True).select_related("workflow"))


def alarmed_about(workflow: Workflow, kind: AlarmKind) -> set[Key]:
    """The actions and models with an alarm of this kind that is not over. One query."""
    alarms = Alarm.objects.filter(workflow=workflow, kind=kind, over_at__isnull=True)
    return set(alarms.values_list("action", "model_name", "model_version"))


def past_alarms(workflow: Workflow) -> tuple[Alarm, ...]:
    """The last of one workflow that are over, newest first. One query."""
    over = Alarm.objects.filter(workflow=workflow, over_at__isnull=False)
    return tuple(over.select_related("acknowledged_by").order_by("-over_at")[:PAST])


def unacknowledged_counts() -> dict[str, int]:
    """How many of each kind wait for somebody to look, none included. One query."""
    waiting = Alarm.objects.filter(acknowledged_at__isnull=True, over_at__isnull=True)
    counted = waiting.values_list("kind").annotate(Count("pk"))
    return {**dict.fromkeys(AlarmKind.values, 0), **dict(counted.order_by())}


def _in_order(alarms: QuerySet[Alarm]) -> tuple[Alarm, ...]:
    found = sorted(alarms, key=lambda alarm: alarm.raised_at, reverse=True)
    return tuple(sorted(found, key=lambda alarm: alarm.acknowledged_at is not None))
