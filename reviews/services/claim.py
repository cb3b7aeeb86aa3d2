"""A reviewer's lease on a ticket: taken, renewed, given back.

Leases live on the database's clock, so that web processes whose clocks differ agree on who holds what.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from psycopg import RawCursor
from psycopg.errors import LockNotAvailable

from reviews.domain.vocabulary import EventKind, TicketEvent, TicketState
from reviews.models import Skip, Ticket, Verdict
from reviews.permissions import may_decide, may_see_ticket, reviewable_groups
from reviews.queries import QueueFilters, name_of, tickets_with_decisions
from reviews.queries.alike import JUST_DECIDED, before_and_waiting_sql, first_alike
from reviews.queries.candidates import TAKEABLE, candidate_parameters, candidates_sql
from reviews.services.record import record
from reviews.services.tickets import (
    AlreadyDecided,
    Asked,
    ClaimError,
    ClaimLost,
    DatabaseClock,
    Held,
    NotAllowed,
    NotVisible,
    check_claim,
    check_undecided,
    lease_is_over,
    lock_visible_ticket,
    move,
)

__all__ = [
    "AlreadyDecided",
    "Asked",
    "ClaimError",
    "ClaimLost",
    "Held",
    "NotAllowed",
    "NotVisible",
    "claim_next",
    "claim_next_id",
    "claim_ticket",
    "release_claim",
    "renew_claim",
    "skip_ticket",
]

SKIP_MINUTES = 10
# How many candidates a branch offers. Where all are being taken by colleagues at the same moment, or the first are all
# the reviewer's own earlier ones, it is tried again with more.
DEPTHS = (32, 2048)

# Finds, locks, takes and records in one statement, which is its own transaction. What the snapshot showed is asked
# again of the locked row: a colleague may have taken it in between. The two moves are those of domain.lifecycle: take,
# or lapse and take. The event's body is canonical JSON, of figures and ids only.
_NEXT = """
    WITH candidate AS MATERIALIZED ({candidates}),
    picked AS (
        SELECT t.id, t.state, t.claimed_by_id
          FROM candidate c JOIN reviews_ticket t ON t.id = c.id
         WHERE {takeable} AND t.group_id = ANY (%(groups)s::int[])
         ORDER BY c.ahead, c.priority, c.created_at{head_start}, c.id
         LIMIT 1 FOR UPDATE OF t SKIP LOCKED
    ), taken AS (
        UPDATE reviews_ticket t
           SET state = 'claimed',
               resting_state = CASE WHEN t.state = 'claimed' THEN t.resting_state ELSE t.state END,
               claimed_by_id = %(user)s,
               claimed_at = %(now)s,
               claimed_until = statement_timestamp() + make_interval(secs => %(lease)s),
               claim_epoch = t.claim_epoch + 1,
               reserved_for_id = NULL,
               reserved_until = NULL,
               version = t.version + 1
          FROM picked
         WHERE t.id = picked.id
        RETURNING t.id, t.decision_id, t.workflow_id, t.stage, t.claim_epoch, picked.state, picked.claimed_by_id
    ), recorded AS (
        INSERT INTO reviews_event (kind, at, user_id, client_id, workflow_id, decision_id, ticket_id, body)
        SELECT 'ticket.claimed', %(now)s, %(user)s, d.client_id, taken.workflow_id, taken.decision_id, taken.id,
               format('{{"epoch":%%s,"from":"%%s","lapsed":%%s,"stage":%%s,"ticket":"%%s"}}', taken.claim_epoch,
                      taken.state, coalesce(taken.claimed_by_id::text, 'null'), taken.stage, taken.id)
          FROM taken JOIN reviews_decision d ON d.id = taken.decision_id
    )
    SELECT id FROM taken
"""

# What is like the ticket that its reviewer decided just before comes as if it had waited half its time longer. So it
# passes none that is more urgent, and nothing waits for ever while more and more of them come.
_HEAD_START = " - CASE WHEN t.id = %(alike)s THEN (t.due_at - t.created_at) / 2 ELSE interval '0' END"


def claim_next(*, reviewer: User, now: datetime, filters: QueueFilters | None = None) -> Ticket | None:
    """Take the next ticket for `reviewer`, as claim_next_id does, and read it."""
    taken = claim_next_id(reviewer=reviewer, now=now, filters=filters)
    return None if taken is None else Ticket.objects.get(pk=taken)


def claim_next_id(*, reviewer: User, now: datetime, filters: QueueFilters | None = None) -> UUID | None:
    """Take the next ticket for `reviewer`: its id, or None when there is none that they may take.

    One statement finds, locks and takes it, and writes the event. What an answer brought back comes first; of what is
    equally urgent, a ticket like the one that they decided just before.
    """
    filters = filters or QueueFilters()
    groups = tuple(sorted(reviewable_groups(reviewer)))
    if not groups:
        return None
    values = candidate_parameters(user_id=reviewer.pk, groups=groups, now=now, filters=filters)
    values |= {"lease": settings.CLAIM_LEASE_SECONDS, "just": now - JUST_DECIDED}
    values["alike"] = first_alike(_rows(_alike_statement(filters.asked, groups), values))
    for depth in DEPTHS:
        statement = _next_statement(filters.asked, groups, depth, alike=values["alike"] is not None)
        for (ticket_id,) in _rows(statement, values):
            taken: UUID = ticket_id
            return taken
    return None


_Statement = tuple[str, list[str]]


def _rows(statement: _Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """What a statement finds.

    Planning it takes longer than running it. A raw cursor prepares it once for each connection, with every value as
    text, so that its parameters are of the same types each time.
    """
    text, names = statement
    connection.ensure_connection()
    with connection.wrap_database_errors, RawCursor(connection.connection) as cursor:
        cursor.execute(text, [str(values[name]) for name in names], prepare=True)
        return cursor.fetchall()


@lru_cache(maxsize=256)
def _next_statement(asked: tuple[str, ...], groups: tuple[int, ...], depth: int, *, alike: bool) -> _Statement:
    candidates = candidates_sql(asked, depth=depth, named=alike)
    head_start = _HEAD_START if alike else ""
    return _numbered(_NEXT.format(candidates=candidates, takeable=TAKEABLE, head_start=head_start), groups=groups)


@lru_cache(maxsize=256)
def _alike_statement(asked: tuple[str, ...], groups: tuple[int, ...]) -> _Statement:
    return _numbered(before_and_waiting_sql(asked), groups=groups)


def _numbered(text: str, *, groups: tuple[int, ...]) -> _Statement:
    """The statement with $1, $2 …, and the names of its parameters in their order.

    The groups, which are the same for all who review the same, stand in the text: with a parameter in their place the
    planner would reckon with ten, think a plan for all values dear, and make a new one for each call.
    """
    text = text.replace("%(groups)s", "'{" + ",".join(f"{group:d}" for group in groups) + "}'")
    names = sorted(set(re.findall(r"%\((\w+)\)s", text)))
    for place, name in enumerate(names, 1):
        text = text.replace(f"%({name})s", f"${place}")
    return text.replace("%%", "%"), names


def claim_ticket(ticket_id: UUID, *, reviewer: User, now: datetime) -> Ticket:
    """Take this ticket; who holds it already gets the same claim for longer.

    Raises NotVisible, NotAllowed, Held, Asked or AlreadyDecided.
    """
    try:
        return _claim(ticket_id, reviewer=reviewer, now=now, nowait=True)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
    # Somebody is at it this moment. It may be a colleague who asks in vain for what the reviewer holds: that passes. Or
    # one who is taking it and whose name nobody can read yet: that is over in a moment, and then there is a name.
    ticket = tickets_with_decisions().select_related("claimed_by").get(pk=ticket_id)
    if not may_see_ticket(reviewer, ticket):
        raise NotVisible
    if ticket.claimed_by_id not in (None, reviewer.pk):
        raise Held(by=name_of(ticket.claimed_by), until=ticket.claimed_until)
    return _claim(ticket_id, reviewer=reviewer, now=now, nowait=False)


def _claim(ticket_id: UUID, *, reviewer: User, now: datetime, nowait: bool) -> Ticket:
    with transaction.atomic():
        ticket = lock_visible_ticket(ticket_id, viewer=reviewer, nowait=nowait)
        check_undecided(ticket, now=now)
        if ticket.state == TicketState.WAITING:
            raise Asked(at=ticket.asked_at)
        if ticket.state == TicketState.CLAIMED and not lease_is_over(ticket):
            if ticket.claimed_by_id != reviewer.pk:
                raise Held(by=name_of(ticket.claimed_by), until=ticket.claimed_until)
            return _extended(ticket, now=now)
        _check_takeable(ticket, reviewer=reviewer, now=now)
        return _taken(ticket, reviewer=reviewer, now=now)


def renew_claim(ticket_id: UUID, *, reviewer: User, epoch: int, now: datetime) -> Ticket:
    """Keep a claim while its page is looked at, up to half an hour from when it was taken. Not an event.

    Raises NotVisible, Held, AlreadyDecided or ClaimLost.
    """
    with transaction.atomic():
        ticket = lock_visible_ticket(ticket_id, viewer=reviewer)
        check_claim(ticket, reviewer=reviewer, epoch=epoch, now=now)
        return _extended(ticket, now=now)


def release_claim(ticket_id: UUID, *, reviewer: User, epoch: int, now: datetime) -> None:
    """Give it back to where it came from. Raises NotVisible, Held, AlreadyDecided or ClaimLost."""
    with transaction.atomic():
        ticket = lock_visible_ticket(ticket_id, viewer=reviewer)
        check_claim(ticket, reviewer=reviewer, epoch=epoch, now=now)
        move(ticket, TicketEvent.RELEASE)
        record(EventKind.TICKET_RELEASED, now=now, user=reviewer, ticket=ticket, body=_about(ticket))


def skip_ticket(ticket_id: UUID, *, reviewer: User, epoch: int, now: datetime) -> None:
    """Give it back, and not see it for ten minutes. Raises NotVisible, Held, AlreadyDecided or ClaimLost."""
    with transaction.atomic():
        ticket = lock_visible_ticket(ticket_id, viewer=reviewer)
        check_claim(ticket, reviewer=reviewer, epoch=epoch, now=now)
        move(ticket, TicketEvent.SKIP)
        until = now + timedelta(minutes=SKIP_MINUTES)
        Skip.objects.update_or_create(ticket=ticket, reviewer=reviewer, defaults={"until": until})
        record(EventKind.TICKET_SKIPPED, now=now, user=reviewer, ticket=ticket, body=_about(ticket))


def retaken(ticket: Ticket, *, reviewer: User, event: TicketEvent, now: datetime, **changes: Any) -> None:
    """Move a locked ticket into a new claim of `reviewer`'s, by `event`: taken, or taken back by an undo."""
    move(
        ticket,
        event,
        claimed_by=reviewer,
        claimed_at=now,
        claimed_until=DatabaseClock() + timedelta(seconds=settings.CLAIM_LEASE_SECONDS),
        claim_epoch=ticket.claim_epoch + 1,
        reserved_for=None,
        reserved_until=None,
        **changes,
    )
    ticket.refresh_from_db(fields=["claimed_until"])


def _taken(ticket: Ticket, *, reviewer: User, now: datetime) -> Ticket:
    state, holder_id = ticket.state, ticket.claimed_by_id
    if state == TicketState.CLAIMED:
        move(ticket, TicketEvent.LAPSE)
    retaken(ticket, reviewer=reviewer, event=TicketEvent.TAKE, now=now, resting_state=ticket.state)
    _record_claim(ticket, reviewer=reviewer, from_state=state, from_holder=holder_id, now=now)
    return ticket


def _check_takeable(ticket: Ticket, *, reviewer: User, now: datetime) -> None:
    """Raises NotAllowed or Held, by the rule that queries.candidates has in SQL."""
    if not may_decide(reviewer, ticket):
        raise NotAllowed("This ticket is for another group, or about something that you asked for.")
    if Verdict.objects.standing().by(reviewer).filter(ticket__decision=ticket.decision_id).exists():
        raise NotAllowed("You have answered this already; it needs somebody else.")
    if ticket.reserved_for_id not in (None, reviewer.pk) and ticket.reserved_until and ticket.reserved_until > now:
        raise Held(by=name_of(ticket.reserved_for), until=ticket.reserved_until)


def _extended(ticket: Ticket, *, now: datetime) -> Ticket:
    """Another lease from now, but none past the most that one claim may last."""
    assert ticket.claimed_at is not None, "a claim has its time"
    left = ticket.claimed_at + timedelta(seconds=settings.CLAIM_MAX_SECONDS) - now
    lease = min(timedelta(seconds=settings.CLAIM_LEASE_SECONDS), left)
    Ticket.objects.filter(pk=ticket.pk).update(claimed_until=Greatest(F("claimed_until"), DatabaseClock() + lease))
    ticket.refresh_from_db(fields=["claimed_until"])
    return ticket


def _record_claim(ticket: Ticket, *, reviewer: User, from_state: str, from_holder: int | None, now: datetime) -> None:
    body = {**_about(ticket), "epoch": ticket.claim_epoch, "from": from_state, "lapsed": from_holder}
    record(EventKind.TICKET_CLAIMED, now=now, user=reviewer, ticket=ticket, body=body)


def _about(ticket: Ticket) -> dict[str, str | int]:
    return {"ticket": str(ticket.pk), "stage": ticket.stage, "epoch": ticket.claim_epoch}
