"""Remind people of what waits for them: at half and at nine tenths of a ticket's time, each once."""

from datetime import datetime

from django.db.models import F

from reviews.domain.vocabulary import EventKind
from reviews.models import Ticket
from reviews.services.record import record
from reviews.services.settle import each_free

SHARES = ("half", "nine_tenths")


def remind_due(*, now: datetime, limit: int = 500) -> int:
    """Write down each reminder that has come due, which tells the channels; how many.

    The clock stands still while a question waits upstream. What has passed both moments unnoticed is reminded of once.
    """
    return each_free(
        Ticket.objects.past_reminder(now=now).order_by(F("next_reminder")),
        lambda ticket: _remind(ticket, now=now),
        still=lambda ticket: Ticket.objects.past_reminder(now=now).filter(pk=ticket.pk).exists(),
        limit=limit,
    )


def _remind(ticket: Ticket, *, now: datetime) -> None:
    whole = ticket.due_at - ticket.created_at - ticket.stood_still
    reached = 2 if ticket.due_at - whole / 10 <= now else 1
    # The life cycle isn't moved, and nothing that its holder sees changes: the version stays.
    ticket.reminders_sent = reached
    ticket.save(update_fields=["reminders_sent"])
    body = {
        "decision": str(ticket.decision_id),
        "external_id": ticket.decision.external_id,
        "ticket": str(ticket.pk),
        "ticket_kind": ticket.kind,
        "group": ticket.group_id,
        "share": SHARES[reached - 1],
    }
    record(EventKind.TICKET_REMINDED, now=now, ticket=ticket, body=body)
