"""The desk: what waits for this reviewer, in the order in which it will be taken, and how much of it there is."""
# ruff: noqa: S608 - the text of each query is made of constants; every value is a parameter.

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection

from policies.domain.spec import Reason
from policies.models import ActionType
from reviews.domain.vocabulary import TicketKind
from reviews.models import Ticket
from reviews.queries.candidates import FIRST, LATER, QueueFilters, candidate_parameters, candidates_sql

PAGE = 50
# Counting stops here: past it a figure tells nobody more, and an exact one costs a scan.
COUNTED_UP_TO = 10_000

__all__ = ["COUNTED_UP_TO", "PAGE", "QueueCounts", "QueueFilters", "QueuePage", "QueueRow", "queue_for"]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One line of the desk."""

    ticket_id: UUID
    decision_id: UUID
    kind: str
    state: str
    priority: int
    created_at: datetime
    due_at: datetime
    version: int
    stage: int
    verdicts_needed: int
    workflow: str  # its key
    workflow_title: str
    action: str  # its key, as it was sent
    action_title: str  # the action in plain words; the key where it is unknown
    subject: str  # its label, else its id
    amount: Decimal | None
    currency: str
    confidence: Decimal | None
    threshold: Decimal | None
    reasons: tuple[Reason, ...]
    held_by: str  # the holder's name; "" when nobody holds it
    held_until: datetime | None
    mine: bool  # the reviewer holds it
    answered: bool  # a question was answered, and it is kept for the reviewer


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """What waits in the reviewer's groups. Each figure stops at COUNTED_UP_TO + 1, which is shown as "10,000+"."""

    open: int
    due_within_the_hour: int
    mine: int  # claimed by the reviewer
    asked: int  # the reviewer's own questions that wait upstream
    answered: int  # their answers that wait for the reviewer


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Rows in the order of the queue, and the counts of everything, whatever the filters."""

    rows: tuple[QueueRow, ...]
    counts: QueueCounts
    next_after: str  # the place to go on from; "" on the last page


Place = tuple[int, datetime, UUID]


def queue_for(user: User, *, filters: QueueFilters | None = None, now: datetime, after: str = "") -> QueuePage:
    """A page of what `user` may take, what they hold and what colleagues hold, in the order of taking. Five queries.

    `after` is the `next_after` of the page before; what isn't one gives the first page.
    """
    filters = filters or QueueFilters()
    groups = list(user.groups.values_list("id", flat=True))
    found = _found(user.pk, groups=groups, filters=filters, now=now, place=_place(after))
    last = found[PAGE - 1] if len(found) > PAGE else None
    return QueuePage(
        rows=queue_rows([place[2] for place in found[:PAGE]], user=user, now=now),
        counts=_counts(user, groups=groups, now=now),
        next_after=f"{last[0]}~{last[1].isoformat()}~{last[2]}" if last else "",
    )


def _place(after: str) -> Place | None:
    try:
        priority, created_at, ticket_id = after.split("~")
        return int(priority), datetime.fromisoformat(created_at), UUID(ticket_id)
    except ValueError:
        return None


def _found(
    user_id: int, *, groups: Sequence[int], filters: QueueFilters, now: datetime, place: Place | None
) -> list[Place]:
    candidates = candidates_sql(filters.asked, depth=PAGE + 1, beyond=place is not None, held=True)
    parameters = candidate_parameters(user_id=user_id, groups=groups, now=now, filters=filters)
    if place:
        parameters |= {"after_priority": place[0], "after_created_at": place[1], "after_id": place[2]}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT c.priority, c.created_at, c.id FROM ({candidates}) c
                 GROUP BY c.id, c.priority, c.created_at
                 ORDER BY min(c.ahead), c.priority, c.created_at, c.id LIMIT {PAGE + 1}""",
            parameters,
        )
        return [(priority, created_at, ticket_id) for priority, created_at, ticket_id in cursor.fetchall()]


def queue_rows(ticket_ids: Sequence[UUID], *, user: User, now: datetime) -> tuple[QueueRow, ...]:
    """These tickets as lines of the desk, in this order. Two queries."""
    tickets = Ticket.objects.filter(id__in=ticket_ids).select_related("decision", "workflow", "claimed_by")
    # The content of a hundred decisions is not read to list them.
    tickets = tickets.defer("decision__payload", "decision__reasoning", "decision__context", "decision__alternatives")
    by_id = {ticket.id: ticket for ticket in tickets}
    titles = action_titles({ticket.workflow_id for ticket in by_id.values()})
    return tuple(_row(by_id[key], titles=titles, user=user, now=now) for key in ticket_ids if key in by_id)


def action_titles(workflow_ids: Iterable[int]) -> Mapping[tuple[int, str], str]:
    """The plain words of each action, by workflow and key."""
    actions = ActionType.objects.filter(workflow__in=list(workflow_ids)).order_by()
    return {(workflow, key): title for workflow, key, title in actions.values_list("workflow_id", "key", "title")}


def _row(ticket: Ticket, *, titles: Mapping[tuple[int, str], str], user: User, now: datetime) -> QueueRow:
    decision = ticket.decision
    holder = ticket.claimed_by if ticket.claimed_until and ticket.claimed_until >= now else None
    return QueueRow(
        ticket_id=ticket.id,
        decision_id=decision.id,
        # Nothing tells a known answer from the gate that it pretends to be.
        kind=TicketKind.GATE if ticket.kind == TicketKind.KNOWN_ANSWER else ticket.kind,
        state=ticket.state,
        priority=ticket.priority,
        created_at=ticket.created_at,
        due_at=ticket.due_at,
        version=ticket.version,
        stage=ticket.stage,
        verdicts_needed=ticket.verdicts_needed,
        workflow=ticket.workflow.key,
        workflow_title=ticket.workflow.title,
        # Whoever is to answer for themselves first reads nothing of the AI's answer here.
        action="" if ticket.estimate_first else decision.action,
        action_title="Your own answer first"
        if ticket.estimate_first
        else titles.get((ticket.workflow_id, decision.action), decision.action),
        subject=decision.subject_label or decision.subject_id,
        amount=decision.amount,
        currency=decision.currency,
        confidence=None if ticket.estimate_first else decision.confidence,
        threshold=None if ticket.estimate_first else decision.threshold,
        reasons=tuple(Reason.from_json(reason) for reason in decision.reasons),
        held_by=name_of(holder),
        held_until=ticket.claimed_until if holder else None,
        mine=bool(holder and holder.pk == user.pk),
        answered=bool(
            ticket.reserved_for_id == user.pk and ticket.reserved_until is not None and ticket.reserved_until > now
        ),
    )


def name_of(user: User | None) -> str:
    """How a colleague is called on a page; "" for nobody."""
    return (user.get_full_name() or user.get_username()) if user else ""


def _counts(user: User, *, groups: Sequence[int], now: datetime) -> QueueCounts:
    parameters: dict[str, Any] = {
        "user": user.pk,
        "groups": groups,
        "now": now,
        "hour": now + timedelta(hours=1),
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, parameters)
        return QueueCounts(*cursor.fetchone())


def _counted(*conditions: str) -> str:
    """How many rows meet one of the conditions, none of which meets another's."""
    most = COUNTED_UP_TO + 1
    found = " UNION ALL ".join(f"(SELECT 1 FROM reviews_ticket t WHERE {each} LIMIT {most})" for each in conditions)
    return f"(SELECT least(count(*), {most}) FROM ({found}) counted)"


_THEIRS = "t.group_id = ANY(%(groups)s::int[]) AND t.requester_id IS DISTINCT FROM %(user)s"
# Written so that each condition can be met by a partial index; the claim has the same first two.
_COUNTS = "SELECT " + ", ".join(
    (
        _counted(f"{FIRST} AND {_THEIRS}", f"{LATER} AND {_THEIRS}"),
        _counted(
            "t.state IN ('open', 'claimed', 'disputed') AND t.escalated_at IS NULL"
            f" AND t.due_at <= %(hour)s AND {_THEIRS}"
        ),
        _counted("t.state = 'claimed' AND t.claimed_by_id = %(user)s AND t.claimed_until >= statement_timestamp()"),
        """(SELECT count(*) FROM reviews_question q JOIN reviews_ticket t ON t.id = q.ticket_id
             WHERE q.answered_at IS NULL AND q.asked_by_id = %(user)s AND t.state = 'waiting')""",
        _counted("t.reserved_for_id = %(user)s AND t.reserved_until > %(now)s AND t.state IN ('open', 'disputed')"),
    )
)
