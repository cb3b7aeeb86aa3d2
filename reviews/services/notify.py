"""Tell people of an event, by e-mail and in chat rooms, through the outbox that the webhooks go through.

`record` asks for it: who writes an event that is people's news need do nothing more.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F, Q
from django.urls import reverse

from policies.domain.canonical import canonical_bytes
from policies.models import ActionType
from policies.permissions import ADMINS, LEADS
from reviews.domain.notices import OF_THE_LOG, OF_TICKETS, notice_of, sentence
from reviews.domain.vocabulary import DeliveryState, EventKind, Notice
from reviews.models import Channel, Delivery, Event
from reviews.queries import name_of
from reviews.services.ring import ring

GATHERED_FOR = timedelta(seconds=30)
"""So long, news of tickets waits for more of its kind: a queue that falls due as a whole is one message."""


def notify(event: Event, *, about: Mapping[str, Any]) -> int:
    """Put a message into the outbox for everybody who is to hear of an event with the body `about`; how many.

    What concerns a workflow goes to its channels and to those of all, what concerns everything to every channel; and
    by a channel without an address to each person whom it concerns, but not to who is away.
    """
    notice = notice_of(EventKind(event.kind), about)
    if notice is None:
        return 0
    channels = Channel.objects.filter(active=True, notices__contains=[notice])
    if event.workflow_id is not None:
        channels = channels.filter(Q(workflow=None) | Q(workflow=event.workflow_id))
    told = 0
    for channel in channels:
        told += _tell(channel, event, notice, about=about)
    if told and notice not in OF_TICKETS:
        ring("reviews.tasks.deliver")
    return told


def _tell(channel: Channel, event: Event, notice: Notice, *, about: Mapping[str, Any]) -> int:
    requester = event.ticket.requester if event.ticket else None
    if requester is not None and requester.email and requester.email.casefold() == channel.address.casefold():
        return 0
    recipients = [None] if channel.address else list(_people(event, notice))
    added = _added_to_what_waits(channel, event, notice, recipients) if notice in OF_TICKETS else set()
    body = canonical_bytes(_body(event, notice, about=about)).decode()
    Delivery.objects.bulk_create(
        Delivery(
            channel=channel,
            recipient=recipient,
            event=event,
            decision_id=event.decision_id,
            type=notice,
            body=body,
            next_attempt_at=event.at + (GATHERED_FOR if notice in OF_TICKETS else timedelta(0)),
            created_at=event.at,
        )
        for recipient in recipients
        if (recipient.pk if recipient else None) not in added
    )
    return len(recipients)


def _added_to_what_waits(
    channel: Channel, event: Event, notice: Notice, recipients: Iterable[User | None]
) -> set[int | None]:
    """Count one more ticket in the messages of this kind that have not left yet; the recipients that were served so."""
    # What another transaction is counting in is passed over, and a second message goes out beside it.
    waiting = (
        Delivery.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(
            channel=channel,
            type=notice,
            event__workflow=event.workflow_id,
            state=DeliveryState.WAITING,
            attempts_made=0,
            leased_until=None,
            next_attempt_at__gt=event.at,
        )
        .values_list("recipient", "pk")
    )
    ids: dict[int | None, UUID] = dict(waiting)
    served = {recipient.pk if recipient else None for recipient in recipients} & ids.keys()
    if served:
        Delivery.objects.filter(pk__in=[ids[one] for one in served]).update(count=F("count") + 1)
    return served


def _people(event: Event, notice: Notice) -> Iterable[User]:
    """Whom it concerns, by e-mail: who may give the next verdict on a ticket; leads and admins where it is no ticket's.

    Nobody who is away, nobody without an address, and never a ticket's requester.
    """
    people = User.objects.filter(is_active=True).exclude(email="").exclude(reviewer_profile__away=True)
    ticket = event.ticket
    if ticket is None:
        return people.filter(groups__name__in=(LEADS, ADMINS)).distinct()
    group = ticket.workflow.escalation_group_id if notice == Notice.TICKET_ESCALATED else ticket.group_id
    people = people.filter(groups=group).exclude(
        pk__in=ticket.verdicts.filter(voided_at=None).values("reviewer"),
    )
    return people.exclude(pk=ticket.requester_id) if ticket.requester_id else people


def _body(event: Event, notice: Notice, *, about: Mapping[str, Any]) -> dict[str, str]:
    """What the message says of one event, where it leads, and what is needed to say it of several."""
    workflow = event.workflow.title if event.workflow else ""
    return {
        "said": sentence(notice, about, workflow=workflow, about=_subject(event, about), by=name_of(event.user)),
        "workflow": workflow,
        "link": settings.PUBLIC_URL + _page(event, notice, about),
        "desk": settings.PUBLIC_URL + reverse("desk"),
    }


def _subject(event: Event, about: Mapping[str, Any]) -> str:
    """The title of a registered action, the name of a client, or that of a channel. What upstream wrote is no title."""
    if about.get("what") == "channel_disabled":
        return Channel.objects.filter(pk=about["channel"]).values_list("title", flat=True).first() or ""
    if "what" in about:
        return event.client.name if event.client else ""
    key = event.ticket.decision.action if event.ticket else about.get("action")
    titles = ActionType.objects.filter(workflow=event.workflow_id, key=key) if key else ActionType.objects.none()
    return titles.values_list("title", flat=True).first() or ""


def _page(event: Event, notice: Notice, about: Mapping[str, Any]) -> str:
    if event.ticket_id is not None:
        return reverse("ticket", args=(event.ticket_id,))
    if notice == Notice.ENDPOINT_DISABLED:
        kind = "channel" if about.get("what") == "channel_disabled" else "endpoint"
        return reverse(f"admin:reviews_{kind}_change", args=(about[kind],))
    if notice == Notice.ALARM_RAISED and about.get("kind") in OF_THE_LOG:
        return reverse("sealed-log")
    if notice == Notice.ALARM_RAISED:
        return reverse("insights") + (f"?workflow={event.workflow.key}" if event.workflow else "")
    return reverse("policy", args=(event.workflow.key,)) if event.workflow else reverse("policies")
