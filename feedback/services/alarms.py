"""Say that something is wrong, to people and to systems; what people make of it; and that it is over."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from feedback.domain.vocabulary import ENDS_BY_ITSELF, AlarmKind
from feedback.models import Alarm
from feedback.permissions import may_acknowledge
from feedback.services.refusals import NotAllowed
from policies.domain.canonical import sha256_hex
from policies.domain.vocabulary import Autonomy
from policies.models import PolicyVersion, Workflow
from policies.queries import policy_of_version
from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.services.record import announce, record

# An alarm stands so long at least, that somebody who works by day sees it; and what hovers at its limit is told of once
# a day and not with each verdict.
STANDS_AT_LEAST = timedelta(days=1)


class NothingSaid(Exception):
    """Whoever acknowledges an alarm says what they make of it (422)."""

    detail = "Say what you make of it."


def raise_alarm(
    kind: AlarmKind,
    *,
    workflow: Workflow,
    action: str,
    model: tuple[str, str] = ("", ""),
    message: str,
    evidence: Mapping[str, Any],
    now: datetime,
) -> Alarm | None:
    """Writes an Alarm with its Event and deliveries; None while the same is open. `model`: its name and version."""
    name, version = model
    same = Alarm.objects.filter(kind=kind, workflow=workflow, action=action, model_name=name, model_version=version)
    if same.filter(over_at__isnull=True).exists():
        return None
    try:
        with transaction.atomic():
            alarm = Alarm.objects.create(
                kind=kind,
                workflow=workflow,
                action=action,
                model_name=name,
                model_version=version,
                message=message,
                evidence=dict(evidence),
                raised_at=now,
            )
            event = record(EventKind.ALARM_RAISED, now=now, workflow=workflow, body=_about(alarm))
            announce(event, WebhookType.ALARM_RAISED, body=_about(alarm))
    except IntegrityError:
        return None  # Another worker was first.
    return alarm


def acknowledge_alarm(alarm: Alarm, *, user: User, note: str, now: datetime) -> None:
    """Somebody looked at it, and says what they make of it. Writes the Alarm and an Event, once.

    What says how something is stays open, acknowledged, until it no longer is. Raises NotAllowed, NothingSaid.
    """
    if not may_acknowledge(user):
        raise NotAllowed
    if not note.strip():
        raise NothingSaid
    with transaction.atomic():
        is_first = Alarm.objects.filter(pk=alarm.pk, acknowledged_at__isnull=True, over_at__isnull=True).update(
            acknowledged_at=now, acknowledged_by=user, note=note.strip()
        )
        if not is_first:
            return
        body = {**_about(alarm), "note_sha256": sha256_hex(note.strip().encode())}
        record(EventKind.ALARM_ACKNOWLEDGED, now=now, user=user, workflow=alarm.workflow, body=body)
        if alarm.kind not in ENDS_BY_ITSELF:
            Alarm.objects.filter(pk=alarm.pk).update(over_at=now, over_because="It was acknowledged.")


def end_alarm(alarm: Alarm, *, because: str, now: datetime) -> bool:
    """What it was about is over. Writes the Alarm and an Event, once; whether it did."""
    with transaction.atomic():
        is_first = Alarm.objects.filter(pk=alarm.pk, over_at__isnull=True).update(over_at=now, over_because=because)
        if is_first:
            record(EventKind.ALARM_ENDED, now=now, workflow=alarm.workflow, body=_about(alarm))
    return bool(is_first)


def end_those_acted_on(workflow: Workflow, *, now: datetime) -> None:
    """End each alarm about a row whose autonomy was taken back, once a person published what holds instead."""
    alarms = Alarm.objects.filter(workflow=workflow, over_at__isnull=True).exclude(kind__in=ENDS_BY_ITSELF)
    live = PolicyVersion.objects.of(workflow).live().first() if alarms else None
    if live is None:
        return
    # Read after the alarms: each was raised with the version that withdrew its row.
    withdrawn = {row.key for row in policy_of_version(live.pk).thresholds if row.autonomy == Autonomy.WITHDRAWN}
    for alarm in alarms:
        if (alarm.action, alarm.model_name, alarm.model_version) not in withdrawn:
            end_alarm(alarm, because=f"Version {live.number} says anew what may run alone.", now=now)


def _about(alarm: Alarm) -> dict[str, Any]:
    """As the log and systems are told of it."""
    about = {"alarm": alarm.pk, "kind": str(alarm.kind), "workflow": alarm.workflow.key, "action": alarm.action}
    model = {"name": alarm.model_name, "version": alarm.model_version}
    return {**about, "model": model} if alarm.model_name else about
