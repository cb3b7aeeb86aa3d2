"""Audits that disagreed with what ran alone: what is to be put right, and whether upstream knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from feedback.domain.vocabulary import LabelSource
from feedback.models import Label
from feedback.queries.labels import Scope
from reviews.domain.vocabulary import DeliveryState, EventKind
from reviews.models import Delivery, Endpoint, Event, Execution, Verdict
from reviews.queries import name_of

SHOWN = 10
WORST = (DeliveryState.DELIVERED, DeliveryState.WAITING, DeliveryState.DEAD)


@dataclass(frozen=True, slots=True)
class Overturned:
    """One audit that said that the AI was wrong. `told` is of the webhooks; "" where nobody takes them.

    `right_action` is empty where nothing should have run; `ran`: what an executor reported of it, "" for nothing.
    """

    decision_id: UUID
    external_id: str
    action: str
    ticket_id: UUID
    right_action: str
    reviewer: str
    at: datetime
    told: str  # of DeliveryState: the worst of them, so that a given-up one is seen
    ran: str  # of Execution.Status: the last


def overturned_audits(scope: Scope) -> tuple[Overturned, ...]:
    """The newest of them, but for those that a better source has put right since. Five queries, an index for them."""
    named = {name: getattr(scope, name) for name in ("action", "model_name", "model_version")}
    corrected = Label.objects.filter(decision=OuterRef("decision"), stands=True, ai_was_right=True)
    wrong = Label.objects.filter(
        ~Exists(corrected),
        workflow=scope.workflow,
        source=LabelSource.AUDIT,
        ai_was_right=False,
        ticket__isnull=False,
        **{name: it for name, it in named.items() if it},
    )
    labels = list(wrong.select_related("decision", "ticket").order_by("-pk")[:SHOWN])
    if not labels:
        return ()
    ids = [label.decision_id for label in labels]
    verdicts = Verdict.objects.standing().filter(ticket__in=[label.ticket_id for label in labels])
    by_ticket = {one.ticket_id: one for one in verdicts.select_related("reviewer").order_by("stage")}
    told = _told(labels)
    ran = dict(Execution.objects.filter(decision__in=ids).order_by("reported_at").values_list("decision_id", "status"))
    return tuple(
        Overturned(
            decision_id=label.decision_id,
            external_id=label.decision.external_id,
            action=label.action,
            ticket_id=label.ticket.pk,
            right_action=label.right_action,
            reviewer=name_of(verdict.reviewer),
            at=verdict.decided_at,
            told=told.get(label.decision_id, ""),
            ran=ran.get(label.decision_id, ""),
        )
        for label in labels
        if label.ticket is not None and (verdict := by_ticket.get(label.ticket.pk)) is not None
    )


def _told(labels: Sequence[Label]) -> dict[UUID | None, str]:
    """The worst state of the webhooks about each decision; by the events, since deliveries have no other index."""
    events = dict(
        Event.objects.filter(
            decision__in=[label.decision_id for label in labels], kind=EventKind.AUDIT_DISAGREED
        ).values_list("pk", "decision_id")
    )
    endpoints = Endpoint.objects.filter(client__in={label.decision.client_id for label in labels})
    found: dict[UUID | None, str] = {}
    for event_id, state in Delivery.objects.filter(endpoint__in=endpoints, event__in=list(events)).values_list(
        "event_id", "state"
    ):
        decision_id = events[event_id]
        found[decision_id] = max(found.get(decision_id, state), state, key=lambda one: WORST.index(DeliveryState(one)))
    return found
