"""What time does to a ticket: a hold ends, a deadline passes, it falls due, a lease is over. And upstream's cancel.

Only a gate writes an Outcome. No path here approves anything: what a hold's end settles is what people's verdicts said.
"""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import QuerySet

from policies.domain.vocabulary import VerdictKind
from reviews.domain.judgement import ai_was_right, outcome_kind
from reviews.domain.vocabulary import (
    FINAL,
    UNDECIDED,
    EventKind,
    OutcomeKind,
    OutcomeMethod,
    TicketEvent,
    TicketKind,
    TicketState,
    WebhookType,
)
from reviews.models import Client, Decision, Outcome, Ticket, Verdict
from reviews.queries import last_verdict
from reviews.queries.dossier import choices_of
from reviews.services.ask import UnknownDecision
from reviews.services.record import announce, record
from reviews.services.tickets import DatabaseClock, lease_is_over, lock_free_ticket, lock_ticket, move

__all__ = [
    "AlreadySettled",
    "UnknownDecision",
    "cancel_decision",
    "each_free",
    "escalate_due",
    "expire_due",
    "lapse_due",
    "settle",
    "settle_due",
    "settle_gate_of",
    "settle_if_over",
]

logger = structlog.get_logger(__name__)
# How many a sweep takes of each at most: it comes again in a second.
BATCH = 500


class AlreadySettled(Exception):
    """The answer has been given (409); `outcome` says what it was."""

    def __init__(self, outcome: Outcome) -> None:
        self.detail = f"This decision was {outcome.get_kind_display().lower()} already."
        self.outcome = outcome
        super().__init__(self.detail)


# ---- The end of a hold ----------------------------------------------------------------------------------------------


def settle(ticket: Ticket, *, now: datetime) -> Outcome | None:
    """Let the verdict of a locked, decided ticket count: a gate gives its decision's outcome, any other a finding.

    Writes ticket, outcome, events and deliveries in the caller's transaction.
    """
    verdict = last_verdict(ticket)
    assert verdict is not None, "a decided ticket has a verdict that stands"
    move(ticket, TicketEvent.HOLD_OVER, settled_at=now)
    if ticket.kind == TicketKind.GATE:
        decision = ticket.decision
        (choice,) = choices_of([verdict])
        kind = outcome_kind(choice, action=decision.action, payload_sha256=decision.payload_sha256)
        return _answer_upstream(decision, ticket=ticket, kind=kind, verdict=verdict, now=now)
    right = ai_was_right(verdict.kind, material=verdict.material)
    body = {**_about(ticket), "verdict": str(verdict.pk), "kind": verdict.kind, "ai_was_right": right}
    record(EventKind.TICKET_SETTLED, now=now, ticket=ticket, body=body)
    if ticket.kind == TicketKind.AUDIT and not right:
        _tell_of_disagreement(ticket, verdict, now=now)
    return None


def settle_if_over(ticket: Ticket, *, now: datetime) -> Outcome | None:
    """Settle on a read what the sweep hasn't reached yet; the outcome if this is what settled a gate."""
    if not _is_over(ticket, now=now):
        return None
    with transaction.atomic():
        locked = lock_ticket(ticket.pk)
        return settle(locked, now=now) if _is_over(locked, now=now) else None


def settle_gate_of(decision: Decision, *, now: datetime) -> None:
    """The same for a decision's gate, if it has one."""
    for gate in Ticket.objects.gates().past_hold(now=now).filter(decision=decision):
        settle_if_over(gate, now=now)


def settle_due(*, now: datetime, limit: int = BATCH) -> int:
    """Settle every ticket whose hold is over; how many."""
    return each_free(
        Ticket.objects.past_hold(now=now).order_by("effective_at"),
        lambda ticket: settle(ticket, now=now),
        still=lambda ticket: _is_over(ticket, now=now),
        limit=limit,
    )


def _is_over(ticket: Ticket, *, now: datetime) -> bool:
    return ticket.state == TicketState.DECIDED and ticket.effective_at is not None and ticket.effective_at <= now


def _tell_of_disagreement(ticket: Ticket, verdict: Verdict, *, now: datetime) -> None:
    """The action ran already: upstream learns what a person would have had run, so that it can put it right."""
    rejects = verdict.kind == VerdictKind.REJECT
    correction = {
        "kind": verdict.kind,
        "action": None if rejects else verdict.action,
        "payload_sha256": None if rejects else verdict.payload_sha256,
        "reason_code": verdict.reason_code,
    }
    body = {**_about(ticket), "verdict": str(verdict.pk), "correction": correction}
    event = record(EventKind.AUDIT_DISAGREED, now=now, user=verdict.reviewer, ticket=ticket, body=body)
    announce(event, WebhookType.DECISION_AUDIT_DISAGREED, body={**_known_as(ticket.decision), "correction": correction})


def _answer_upstream(
    decision: Decision, *, ticket: Ticket, kind: OutcomeKind, verdict: Verdict | None, now: datetime
) -> Outcome:
    runs = verdict if verdict is not None and kind != OutcomeKind.REJECTED else None
    outcome = Outcome.objects.create(
        decision=decision,
        kind=kind,
        method=OutcomeMethod.HUMAN if verdict else OutcomeMethod.SYSTEM,
        action=runs.action if runs else decision.action,
        payload=runs.payload if runs else None,
        payload_sha256=runs.payload_sha256 if runs else decision.payload_sha256,
        verdict=verdict,
        settled_at=now,
    )
    told = {
        "kind": outcome.kind,
        "method": outcome.method,
        "action": outcome.action,
        "payload_sha256": outcome.payload_sha256,
    }
    version = decision.policy_version
    body = {
        **_about(ticket),
        **told,
        "verdict": str(verdict.pk) if verdict else None,
        "policy": {"version": version.number, "digest": version.digest} if version else None,
    }
    event = record(EventKind.OUTCOME_SETTLED, now=now, ticket=ticket, body=body)
    message = {**_known_as(decision), "status": outcome.kind, "outcome": told}
    announce(event, WebhookType.DECISION_SETTLED, body=message)
    return outcome


# ---- Cancelled and expired: do not act ------------------------------------------------------------------------------


def cancel_decision(decision_id: UUID, *, client: Client, reason: str, now: datetime) -> Outcome:
    """Upstream no longer wants it. The gate is withdrawn, whoever is at it; again, it gives the same outcome.

    Raises UnknownDecision, or AlreadySettled with the outcome that stands.
    """
    with transaction.atomic():
        decision = Decision.everything.filter(pk=decision_id, client=client).first()
        if decision is None:
            raise UnknownDecision
        gate_id = Ticket.objects.gates().filter(decision=decision).values_list("pk", flat=True).first()
        gate = lock_ticket(gate_id) if gate_id else None
        if gate is not None and _is_over(gate, now=now):
            settle(gate, now=now)
        elif gate is not None and gate.state not in FINAL:
            move(gate, TicketEvent.CANCEL, settled_at=now, asked_at=None)
            commitment = sha256(bytes(decision.salt or b"") + reason.encode()).hexdigest() if reason else None
            body = {**_about(gate), "reason_commitment": commitment}
            record(EventKind.DECISION_CANCELLED, now=now, ticket=gate, body=body)
            return _answer_upstream(gate.decision, ticket=gate, kind=OutcomeKind.CANCELLED, verdict=None, now=now)
    outcome = Outcome.objects.get(pk=decision_id)
    if outcome.kind == OutcomeKind.CANCELLED:
        return outcome
    raise AlreadySettled(outcome)


def expire_due(*, now: datetime, limit: int = BATCH) -> int:
    """End the gates whose decision's deadline has passed undecided. Never an approval: do not act."""
    return each_free(
        Ticket.objects.past_deadline(now=now).order_by("deadline"),
        lambda ticket: _expire(ticket, now=now),
        still=lambda ticket: ticket.state in UNDECIDED and ticket.deadline is not None and ticket.deadline <= now,
        limit=limit,
    )


def _expire(ticket: Ticket, *, now: datetime) -> None:
    move(ticket, TicketEvent.DEADLINE, settled_at=now, asked_at=None)
    record(EventKind.TICKET_EXPIRED, now=now, ticket=ticket, body=_about(ticket))
    _answer_upstream(ticket.decision, ticket=ticket, kind=OutcomeKind.EXPIRED, verdict=None, now=now)


# ---- Due, and lapsed ------------------------------------------------------------------------------------------------


def escalate_due(*, now: datetime, limit: int = BATCH) -> int:
    """Put what has waited past its time before the escalation group; how many. Once a ticket.

    Who holds it keeps it, and what is on their page stands; given back, it goes on to the escalation group.
    """
    return each_free(
        Ticket.objects.past_due(now=now).order_by("due_at"),
        lambda ticket: _escalate(ticket, now=now),
        still=lambda ticket: (
            ticket.state in (TicketState.OPEN, TicketState.CLAIMED, TicketState.DISPUTED)
            and ticket.escalated_at is None
            and ticket.due_at <= now
        ),
        limit=limit,
    )


def _escalate(ticket: Ticket, *, now: datetime) -> None:
    group = ticket.group if ticket.state == TicketState.CLAIMED else ticket.workflow.escalation_group
    move(ticket, TicketEvent.FALL_DUE, group=group, priority=0, escalated_at=now)
    body = {**_about(ticket), "cause": "due", "group": group.pk}
    record(EventKind.TICKET_ESCALATED, now=now, ticket=ticket, body=body)


def lapse_due(*, now: datetime, limit: int = BATCH) -> int:
    """Put back what nobody has looked at for the length of a lease, by the database's clock; how many."""
    return each_free(
        Ticket.objects.filter(state=TicketState.CLAIMED, claimed_until__lt=DatabaseClock()).order_by("claimed_until"),
        lambda ticket: _lapse(ticket, now=now),
        still=lambda ticket: ticket.state == TicketState.CLAIMED and lease_is_over(ticket),
        limit=limit,
    )


def _lapse(ticket: Ticket, *, now: datetime) -> None:
    holder = ticket.claimed_by_id
    move(ticket, TicketEvent.LAPSE)
    body = {**_about(ticket), "cause": "lapsed", "holder": holder}
    record(EventKind.TICKET_RELEASED, now=now, ticket=ticket, body=body)


# ---- One at a time --------------------------------------------------------------------------------------------------


def each_free(
    tickets: QuerySet[Ticket],
    act: Callable[[Ticket], object],
    *,
    still: Callable[[Ticket], bool],
    limit: int,
) -> int:
    """`act` on each ticket in a transaction of its own, if it is `still` so once it is locked; how many were.

    What somebody else is at is theirs, and comes again. One that fails is logged and stops none of the others.
    """
    done = 0
    for ticket_id in tickets.values_list("pk", flat=True)[:limit]:
        try:
            with transaction.atomic():
                ticket = lock_free_ticket(ticket_id)
                if ticket is not None and still(ticket):
                    act(ticket)
                    done += 1
        except Exception:
            logger.exception("sweeping a ticket failed", ticket=str(ticket_id))
            if not connection.is_usable():
                raise
    return done


def _known_as(decision: Decision) -> dict[str, Any]:
    return {"decision": str(decision.pk), "external_id": decision.external_id}


def _about(ticket: Ticket) -> dict[str, Any]:
    return {**_known_as(ticket.decision), "ticket": str(ticket.pk), "ticket_kind": ticket.kind}
