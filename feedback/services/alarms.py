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
from policies.domain.canonical import sha256_hex
from policies.models import Workflow
from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.services.record import announce, record

# After somebody acknowledged an alarm, the same is not raised again so soon: the work on it takes its time.
REST = timedelta(days=7)


class NothingSaid(Exception):
    """Whoever acknowledges an alarm says what they make of it (422)."""

    detail = "Say what you make of it."


def raise_alarm(
    kind: AlarmKind, *, workflow: Workflow, action: str, message: str, evidence: Mapping[str, Any], now: datetime
) -> Alarm | None:
    """Writes an Alarm with its Event and deliveries; None while the same is open, or was acknowledged lately."""
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


def acknowledge_alarm(alarm: Alarm, *, user: User, note: str, now: datetime) -> None:
    """Somebody looked at it, and says what they make of it. Writes the Alarm and an Event, once.

    Raises NotAllowed, NothingSaid.
    """
    if not may_read_insights(user):
        raise NotAllowed
    if not note.strip():
        raise NothingSaid
    with transaction.atomic():
        is_first = Alarm.objects.filter(pk=alarm.pk, closed_at__isnull=True).update(
            closed_at=now, closed_by=user, note=note.strip()
        )
        if is_first:
            body = {"alarm": alarm.pk, "kind": alarm.kind, "workflow": alarm.workflow.key, "action": alarm.action}
            body["note_sha256"] = sha256_hex(note.strip().encode())
            record(EventKind.ALARM_ACKNOWLEDGED, now=now, user=user, workflow=alarm.workflow, body=body)
