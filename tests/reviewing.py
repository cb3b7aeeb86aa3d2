"""What reviewers do in tests: take a ticket, look at it, answer."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from reviews.models import Ticket, Verdict
from reviews.queries import dossier
from reviews.services.claim import claim_ticket
from reviews.services.decide import Answer, give_verdict
from tests.factories import NOW

_keys = itertools.count(1)
READ = timedelta(seconds=2)
"""How long a reviewer of the tests looks before they answer."""


def answer_to(ticket: Ticket, reviewer: User, kind: str = "approve", *, now: datetime = NOW, **changes: Any) -> Answer:
    """The answer that a page shown just now would send; a rejection or override with a reason."""
    shown = dossier(ticket.pk, user=reviewer, now=now)
    fields: dict[str, Any] = {
        "kind": kind,
        "epoch": shown.ticket.claim_epoch,
        "version": shown.ticket.version,
        "shown_sha256": shown.shown_sha256,
        "request_key": f"key-{next(_keys)}",
        "reason_code": "wrong_action" if kind in ("reject", "override") else "",
        "material": True if kind == "edit" else None,
        "acts": shown.deliberate_acts,
    }
    return Answer(**{**fields, **changes})


def decide(ticket: Ticket, reviewer: User, kind: str = "approve", *, now: datetime = NOW, **changes: Any) -> Verdict:
    """Take the ticket, read it for two seconds and answer."""
    taken = claim_ticket(ticket.pk, reviewer=reviewer, now=now)
    answer = answer_to(taken, reviewer, kind, now=now, **changes)
    return give_verdict(ticket.pk, reviewer=reviewer, answer=answer, now=now + READ)
