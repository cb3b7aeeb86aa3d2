"""A reviewer's question to upstream, and its answer. Meanwhile the ticket waits, and the clock of its SLA with it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from reviews.domain.vocabulary import EventKind, TicketEvent, TicketState, WebhookType
from reviews.models import Client, Decision, Question, ReviewerProfile, Ticket
from reviews.services.answers import check_text
from reviews.services.record import announce, record
from reviews.services.tickets import ClaimError, check_claim, lock_ticket, lock_visible_ticket, move

# So long an answered ticket is kept for the person who asked.
KEPT_MINUTES = 30


class UnknownDecision(Exception):
    """This client has no such decision (404)."""

    def __init__(self) -> None:
        self.detail = "There is no such decision."
        super().__init__(self.detail)


class NothingToAnswer(ClaimError):
    """No question about this decision waits for an answer."""

    def __init__(self) -> None:
        super().__init__("No question about this decision waits for an answer.")


def ask_upstream(ticket_id: UUID, *, reviewer: User, epoch: int, text: str, now: datetime) -> Question:
    """Send a question upstream and let the ticket wait; the claim ends.

    Raises NotVisible, Held, AlreadyDecided, ClaimLost or InvalidAnswer.
    """
    with transaction.atomic():
        ticket = lock_visible_ticket(ticket_id, viewer=reviewer)
        check_claim(ticket, reviewer=reviewer, epoch=epoch, now=now)
        check_text(text, at="/text", required=True)
        move(ticket, TicketEvent.ASK, asked_at=now)
        question = Question.objects.create(ticket=ticket, asked_by=reviewer, text=text, asked_at=now)
        told = _about(question)
        event = record(EventKind.QUESTION_ASKED, now=now, user=reviewer, ticket=ticket, body=told)
        announce(event, WebhookType.DECISION_ASKED, body=told)
        return question


def answer_question(
    decision_id: UUID, *, client: Client, text: str, context: Mapping[str, Any] | None, now: datetime
) -> Question:
    """Take upstream's answer to the oldest open question; the ticket goes back into the queue.

    The person who asked gets it first, for KEPT_MINUTES, unless they are away. The time that it waited is added to
    its due time. Nothing of the proposal changes. Raises UnknownDecision, NothingToAnswer or InvalidAnswer.
    """
    with transaction.atomic():
        if not Decision.everything.filter(pk=decision_id, client=client).exists():
            raise UnknownDecision
        waiting = Ticket.objects.filter(decision=decision_id, state=TicketState.WAITING).order_by("asked_at")
        ticket_id = waiting.values_list("pk", flat=True).first()
        ticket = lock_ticket(ticket_id) if ticket_id else None
        if ticket is None or ticket.state != TicketState.WAITING or ticket.asked_at is None:
            raise NothingToAnswer
        check_text(text, at="/text", required=False)
        question = Question.objects.get(ticket=ticket, answered_at__isnull=True)
        question.ticket = ticket
        question.answer, question.answer_context = text, dict(context) if context is not None else None
        question.answered_by, question.answered_at = client, now
        question.save(update_fields=["answer", "answer_context", "answered_by", "answered_at"])
        away = ReviewerProfile.objects.filter(user=question.asked_by_id, away=True).exists()
        move(
            ticket,
            TicketEvent.ANSWER,
            resting_state=TicketState.OPEN,
            asked_at=None,
            due_at=ticket.due_at + (now - ticket.asked_at),
            stood_still=ticket.stood_still + (now - ticket.asked_at),
            reserved_for_id=None if away else question.asked_by_id,
            reserved_until=None if away else now + timedelta(minutes=KEPT_MINUTES),
        )
        record(EventKind.QUESTION_ANSWERED, now=now, ticket=ticket, body=_about(question))
        return question


def _about(question: Question) -> dict[str, Any]:
    ticket = question.ticket
    return {
        "decision": str(ticket.decision_id),
        "external_id": ticket.decision.external_id,
        "ticket": str(ticket.pk),
        "question": question.pk,
    }
