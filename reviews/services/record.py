"""Writes the audit log and the outbox, in the transaction of whatever they tell of."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from policies.domain.canonical import canonical_bytes
from policies.models import PolicyChange, Workflow
from reviews.domain.answer import moment
from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.models import Client, Decision, Delivery, Endpoint, Event, Ticket
from reviews.services.notify import notify
from reviews.services.ring import ring


def record(
    kind: EventKind,
    *,
    now: datetime,
    user: AbstractBaseUser | None = None,
    client: Client | None = None,
    workflow: Workflow | None = None,
    decision: Decision | None = None,
    ticket: Ticket | None = None,
    policy_change: PolicyChange | None = None,
    body: Mapping[str, Any],
) -> Event:
    """Write one event, and tell the people whose news it is.

    Of `ticket` its decision, and of `decision` its client and workflow, need not be given. `body` is of ids, codes,
    figures and hashes, never of free text: it outlives the purge. Raises ValueError for a body that has no canonical
    JSON.
    """
    decision_id = decision.pk if decision else ticket.decision_id if ticket else None
    if decision is None and ticket is not None:
        decision = ticket.decision
    event = Event.objects.create(
        kind=kind,
        at=now,
        user_id=user.pk if user else None,
        client_id=client.pk if client else decision.client_id if decision else None,
        workflow_id=workflow.pk if workflow else decision.workflow_id if decision else None,
        decision_id=decision_id,
        ticket=ticket,
        policy_change=policy_change,
        body=canonical_bytes(dict(body)).decode(),
    )
    notify(event, about=body)
    return event


def announce(event: Event, type: WebhookType, *, body: Mapping[str, Any]) -> None:  # noqa: A002  the outbox's word
    """Put a message into the outbox for each active endpoint that is to hear of the event; ring the dispatcher.

    What concerns a decision goes to the endpoints of its client, what concerns a workflow to those of every client of
    the workflow, and what concerns everything to all. Known answers are told to nobody.
    """
    if event.decision_id is not None and Decision.everything.filter(pk=event.decision_id, internal=True).exists():
        return
    endpoints = Endpoint.objects.filter(active=True, client__active=True, client__internal=False)
    if event.decision_id is not None and event.client_id is not None:
        endpoints = endpoints.filter(client_id=event.client_id)
    elif event.workflow_id is not None:
        endpoints = endpoints.filter(client__workflows=event.workflow_id)
    text = canonical_bytes(message(type, at=event.at, body={**body, "sequence": event.pk})).decode()
    deliveries = [
        Delivery(
            endpoint=endpoint,
            event=event,
            decision_id=event.decision_id,
            type=type,
            body=text,
            next_attempt_at=event.at,
            created_at=event.at,
        )
        for endpoint in endpoints.distinct()
    ]
    if deliveries:
        Delivery.objects.bulk_create(deliveries)
        ring("reviews.tasks.deliver")


def message(type: WebhookType, *, at: datetime, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
    """A message as Standard Webhooks have it: thin, and without authority; the permit is fetched with a key."""
    return {"type": str(type), "timestamp": moment(at), "data": dict(body)}
