"""How a ticket is locked, moved and written: the same way by every service, and by the table of domain.lifecycle only.

Services lock the ticket, never the decision. Errors are conflicts (409) unless they say otherwise.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import BooleanField, DateTimeField, ExpressionWrapper, Func, Q

from reviews.domain.lifecycle import Standing, advance
from reviews.domain.vocabulary import LeadReason, TicketEvent, TicketState
from reviews.models import Ticket
from reviews.models.ticket import TAKEABLE
from reviews.permissions import may_see_ticket
from reviews.queries import last_verdict, name_of, tickets_with_decisions
from reviews.queries.leading import end_of_claim
from reviews.queries.prepared import ByKey


class ClaimError(Exception):
    """Something stands in the way; `detail` says what, in a sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotVisible(ClaimError):
    """There is no such ticket for this person (404)."""

    def __init__(self) -> None:
        super().__init__("There is no such ticket.")


class NotAllowed(ClaimError):
    """They may see it, and not do this (403)."""


class Held(ClaimError):
    """Somebody else is at it. `until` is None for the blink in which they are just taking or answering it."""

    def __init__(self, *, by: str, until: datetime | None) -> None:
        super().__init__(f"{by or 'Somebody else'} has this ticket.")
        self.by = by
        self.until = until


class Asked(ClaimError):
    """A question waits upstream; nobody can take the ticket until it is answered."""

    def __init__(self, *, at: datetime | None) -> None:
        super().__init__("A question went upstream; the ticket waits for the answer.")
        self.at = at


class AlreadyDecided(ClaimError):
    """It is over: decided, cancelled by upstream, or past its deadline. `by` is "" where no person ended it."""

    def __init__(self, detail: str, *, by: str, at: datetime | None) -> None:
        super().__init__(detail)
        self.by = by
        self.at = at


class ClaimLost(ClaimError):
    """The claim ended, or was never made: released, lapsed, taken again since, or ended by a lead."""

    def __init__(self, detail: str = "You don't hold this ticket any more. Take it again.") -> None:
        super().__init__(detail)


class DecideError(ClaimError):
    """The claim may stand, but this can't be done with it."""


class DatabaseClock(Func):
    """The time on the database's clock when the statement began; within a transaction it goes on."""

    function = "statement_timestamp"
    template = "%(function)s()"
    output_field = DateTimeField()


LEASE_OVER = ExpressionWrapper(Q(claimed_until__lt=DatabaseClock()), output_field=BooleanField())


def lock_ticket(ticket_id: UUID, *, nowait: bool = False) -> Ticket:
    """The ticket as it stands once its row is locked for the rest of the transaction, with what judging it needs.

    Raises NotVisible when there is none, and with `nowait` OperationalError when somebody is at it this moment.
    """
    ticket = (_LOCKED_AT_ONCE if nowait else _LOCKED).get(ticket_id)
    if ticket is None:
        raise NotVisible
    return ticket


def lock_free_ticket(ticket_id: UUID) -> Ticket | None:
    """The same, or None when somebody is at it this moment, or it isn't there."""
    return _LOCKED_IF_FREE.get(ticket_id)


def _locking(**how: bool) -> ByKey[Ticket]:
    return ByKey(
        lambda: tickets_with_decisions().annotate(lease_over=LEASE_OVER).select_for_update(of=("self",), **how)
    )


_LOCKED, _LOCKED_AT_ONCE, _LOCKED_IF_FREE = _locking(), _locking(nowait=True), _locking(skip_locked=True)


def lock_visible_ticket(ticket_id: UUID, *, viewer: User, nowait: bool = False) -> Ticket:
    """The same, for somebody who may see it. Raises NotVisible."""
    ticket = lock_ticket(ticket_id, nowait=nowait)
    if not may_see_ticket(viewer, ticket):
        raise NotVisible
    return ticket


def lease_is_over(ticket: Ticket) -> bool:
    """Whether the claim on a ticket from `lock_ticket` had lapsed, by the database's clock."""
    return bool(vars(ticket)["lease_over"])


def check_undecided(ticket: Ticket, *, now: datetime) -> None:
    """Raises AlreadyDecided, with who and when, for what is over."""
    if ticket.state in (TicketState.DECIDED, TicketState.SETTLED):
        verdict = last_verdict(ticket)
        by, at = (name_of(verdict.reviewer), verdict.decided_at) if verdict else ("", ticket.settled_at)
        raise AlreadyDecided(f"{by or 'Somebody'} has decided this.", by=by, at=at)
    if ticket.state == TicketState.WITHDRAWN:
        raise AlreadyDecided("Upstream cancelled this.", by="", at=ticket.settled_at)
    if ticket.state == TicketState.EXPIRED or (ticket.deadline is not None and ticket.deadline <= now):
        raise AlreadyDecided("Its deadline has passed.", by="", at=ticket.deadline)


def check_claim(ticket: Ticket, *, reviewer: User, epoch: int, now: datetime) -> None:
    """Raises AlreadyDecided or Held, with who and when; ClaimLost where nobody has it, or under another epoch."""
    check_undecided(ticket, now=now)
    if ticket.state == TicketState.CLAIMED and not lease_is_over(ticket):
        if ticket.claimed_by_id != reviewer.pk:
            raise Held(by=name_of(ticket.claimed_by), until=ticket.claimed_until)
        if ticket.claim_epoch == epoch:
            return
    ended = end_of_claim(ticket, holder=reviewer, epoch=epoch)
    if ended is None:
        raise ClaimLost
    why = LeadReason(ended.reason).label
    raise ClaimLost(f"{ended.by} took this ticket back from you at {ended.at:%H:%M:%S} UTC: {why}.")


def move(ticket: Ticket, event: TicketEvent, **changes: Any) -> None:
    """Write the state after `event` with other columns, and count the change. Raises MoveRefused.

    Falling due isn't counted: it changes nothing of what its holder sees, and is to spoil no verdict. A claim ends
    with every move but into one. What was escalated while somebody held it goes on to the escalation group when they
    give it back.
    """
    before = ticket.state
    ticket.state = advance(Standing(kind=ticket.kind, state=ticket.state, resting=ticket.resting_state), event)
    if before == TicketState.CLAIMED != ticket.state:
        changes = {"claimed_by": None, "claimed_at": None, "claimed_until": None, **changes}
        if ticket.escalated_at and ticket.state in TAKEABLE:
            changes.setdefault("group", ticket.workflow.escalation_group)
    for name, value in changes.items():
        setattr(ticket, name, value)
    if event != TicketEvent.FALL_DUE:
        ticket.version += 1
    ticket.save(update_fields=["state", "version", *changes])
