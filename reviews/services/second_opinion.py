"""Asks a second person, blind to the first, about a random share of what people decided."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet

from policies.domain.evaluate import audit_draw
from reviews.domain.vocabulary import EventKind, TicketKind, TicketState
from reviews.models import Ticket, Verdict
from reviews.services.compose import UNHURRIED
from reviews.services.record import record

# Another lot than the audit's: whether a decision is audited says nothing of whether it is asked about twice.
LOT: Final = b"second opinion"


def ask_again(gate_ids: Collection[UUID], *, now: datetime) -> list[Ticket]:
    """Open a second opinion on those of these settled gates that the lot falls on, each once, whoever calls again.

    The share is the workflow's, the lot a keyed hash of the decision's id. It goes to the group that was asked, where
    somebody is left in it who neither decided nor asked for the action. Writes Tickets and their Events, in the
    caller's transaction.
    """
    gates = (
        Ticket.objects.gates()
        .filter(pk__in=gate_ids, state=TicketState.SETTLED, workflow__second_opinion_share__gt=0)
        .filter(decision__internal=False)
        .exclude(decision__tickets__kind=TicketKind.SECOND_OPINION)
        .select_related("workflow", "decision")
        .order_by("pk")
    )
    key = settings.COUNTERSIGN_AUDIT_KEY.encode() + LOT
    drawn = [gate for gate in gates if audit_draw(gate.decision_id, key) < gate.workflow.second_opinion_share]
    return [_ask(gate, now=now) for gate in drawn if _others(gate).exists()]


def _others(gate: Ticket) -> QuerySet[User]:
    decided = Verdict.objects.filter(ticket__decision=gate.decision_id).values("reviewer")
    others = User.objects.filter(groups=gate.group_id, is_active=True).exclude(pk__in=decided)
    return others.exclude(pk=gate.requester_id) if gate.requester_id else others


def _ask(gate: Ticket, *, now: datetime) -> Ticket:
    ticket = Ticket.objects.create(
        decision=gate.decision,
        kind=TicketKind.SECOND_OPINION,
        workflow=gate.workflow,
        group=gate.group,
        priority=UNHURRIED,
        created_at=now,
        due_at=now + timedelta(hours=gate.workflow.audit_sla_hours),
        requester=gate.requester,
    )
    body = {
        "decision": str(gate.decision_id),
        "external_id": gate.decision.external_id,
        "ticket": str(ticket.pk),
        "ticket_kind": ticket.kind,
    }
    record(EventKind.TICKET_OPENED, now=now, ticket=ticket, body=body)
    return ticket
