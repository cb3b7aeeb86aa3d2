"""Say that something is wrong, to people and to systems; and close it again."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from feedback.domain.vocabulary import AlarmKind
from feedback.models import Alarm
from feedback.permissions import may_read_insights
from feedback.services.refusals import NotAllowed
from policies.models import Workflow
from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.services.record import announce, record

# After somebody closed an alarm, the same is not raised again so soon: the work on it takes its time.
REST = timedelta(days=7)


def raise_alarm(
    kind: AlarmKind, *, workflow: Workflow, action: str, message: str, evidence: Mapping[str, Any], now: datetime
) -> Alarm | None:
    """Writes an Alarm with its Event and deliveries; None while the same is open, or was closed a short while ago."""
    same = Alarm.objects.filter(kind=kind, workflow=workflow, action=action)
    if same.filter(closed_at__isnull=True).exists() or same.filter(closed_at__gt=now - REST).exists():
        return None
    try:
        with transaction.atomic():
            alarm = Alarm.objects.create(
                kind=kind, workflow=workflow, action=action, message=message, evidence=dict(evidence), raised_at=now
            )
            body = {"alarm": alarm.pk, "kind": str(kind), "workflow": workflow.key, "action": action}
            event = record(EventKind.ALARM_RAISED, now=now, workflow=workflow, body=body)
            announce(event, WebhookType.ALARM_RAISED, body=body)
    except IntegrityError:
        return None  # Another worker was first.
    return alarm


def close_alarm(alarm: Alarm, *, user: User, now: datetime) -> None:
    """Somebody looked at it and says that it is dealt with. Writes the Alarm, once. Raises NotAllowed."""
    if not may_read_insights(user):
        raise NotAllowed
    Alarm.objects.filter(pk=alarm.pk, closed_at__isnull=True).update(closed_at=now, closed_by=user)
