"""What leads see: who holds what, what is late, and what waits in each group.

Every figure is read from the partial indexes that the claim reads, so that a page costs the same with a million
tickets open; past COUNTED_UP_TO none is counted on.
"""
# ruff: noqa: S608 - the text of each query is made of constants; every value is a parameter.

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Q

from policies.domain.spec import Policy
from policies.models import Workflow
from policies.queries import live_policy
from reviews.domain.vocabulary import EventKind, TicketState
from reviews.models import Event, Ticket
from reviews.queries.candidates import FIRST, LATER
from reviews.queries.dossier import policy_for
from reviews.queries.queue import COUNTED_UP_TO, QueueRow, name_of, queue_rows

SHOWN = 50
KEPT_OVER = timedelta(hours=24)
"""How far back the share that was decided in time looks."""


@dataclass(frozen=True, slots=True)
class GroupLoad:
    """What waits in a group; each count stops at COUNTED_UP_TO + 1. The last two are of the last 24 hours."""

    id: int
    name: str
    people: int  # who are active
    away: int  # of them
    open: int
    held: int
    waiting: int  # for an answer from upstream
    overdue: int
    due_within_the_hour: int
    oldest_at: datetime | None
    settled: int
    in_time: int

    @property
    def kept(self) -> float | None:
        """The share that was decided before it fell due."""
        return self.in_time / self.settled if self.settled else None


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A ticket, and the group that it waits in."""

    row: QueueRow
    group: str


@dataclass(frozen=True, slots=True)
class LeadPage:
    """Up to SHOWN tickets of each list: those held since the longest, those due the longest."""

    loads: tuple[GroupLoad, ...]
    held: tuple[LeadRow, ...]
    overdue: tuple[LeadRow, ...]
    waiting: tuple[LeadRow, ...]  # in the group that was asked for, in the order of its queue
    group: GroupLoad | None  # the one that was asked for


@dataclass(frozen=True, slots=True)
class EndOfClaim:
    """That a lead ended a claim."""

    by: str
    at: datetime
    reason: str  # of LeadReason


def lead_page(user: User, *, group: int | None = None, now: datetime) -> LeadPage:
    """Who holds what, what is late, each group's load, and what waits in `group`. At most eight queries."""
    loads = _loads(now=now)
    groups = [load.id for load in loads]
    asked = next((load for load in loads if load.id == group), None)
    held = list(
        Ticket.objects.filter(state=TicketState.CLAIMED, claimed_until__gte=now)
        .order_by("claimed_at")
        .values_list("pk", "group_id")[:SHOWN]
    )
    overdue = _overdue(groups, now=now)
    waiting = _waiting(asked.id) if asked else []
    shown = {**dict(held), **dict(overdue), **dict(waiting)}
    rows = {row.ticket_id: row for row in queue_rows(list(shown), user=user, now=now)}
    names = {load.id: load.name for load in loads}

    def listed(found: Sequence[tuple[UUID, int]]) -> tuple[LeadRow, ...]:
        return tuple(LeadRow(rows[key], names.get(place, "")) for key, place in found if key in rows)

    return LeadPage(loads, listed(held), listed(overdue), listed(waiting), asked)


def groups_of_workflow(workflow: Workflow, *, policy: Policy | None) -> tuple[Group, ...]:
    """Those that the workflow asks: to review, to escalate to, and by name in a rule of the policy. One query."""
    named = {rule.group for rule in policy.rules if rule.group} if policy else set()
    ids = (workflow.review_group_id, workflow.escalation_group_id)
    return tuple(Group.objects.filter(Q(pk__in=ids) | Q(name__in=named)).order_by("name"))


def groups_to_move_to(ticket: Ticket) -> tuple[Group, ...]:
    """The other groups of its workflow. Which of them its policy lets it go to, the service says. One query."""
    policy = policy_for(ticket.decision, live=live_policy(ticket.workflow_id))
    return tuple(group for group in groups_of_workflow(ticket.workflow, policy=policy) if group.pk != ticket.group_id)


def end_of_claim(ticket: Ticket, *, holder: User, epoch: int) -> EndOfClaim | None:
    """Who among the leads ended this claim of `holder`'s; None where it ended otherwise. One query."""
    ended = Event.objects.filter(ticket=ticket, kind=EventKind.TICKET_RELEASED).select_related("user")
    for event in ended.order_by("-id")[:10]:
        body = orjson.loads(event.body)
        if body.get("cause") == "lead" and body["epoch"] == epoch and body["holder"] == holder.pk:
            return EndOfClaim(by=name_of(event.user), at=event.at, reason=body["reason"])
    return None


# ---- By the partial indexes -----------------------------------------------------------------------------------------


def _loads(*, now: datetime) -> tuple[GroupLoad, ...]:
    parameters = {"now": now, "hour": now + timedelta(hours=1), "since": now - KEPT_OVER}
    with connection.cursor() as cursor:
        cursor.execute(_LOADS, parameters)
        return tuple(GroupLoad(*values) for values in cursor.fetchall())


def _overdue(groups: Sequence[int], *, now: datetime) -> list[tuple[UUID, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_OVERDUE, {"groups": list(groups), "now": now})
        return list(cursor.fetchall())


def _waiting(group: int) -> list[tuple[UUID, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"group": group})
        return list(cursor.fetchall())


def _counted(*conditions: str) -> str:
    most = COUNTED_UP_TO + 1
    found = " UNION ALL ".join(
        f"(SELECT 1 FROM reviews_ticket t WHERE t.group_id = g.id AND {each} LIMIT {most})" for each in conditions
    )
    return f"(SELECT least(count(*), {most}) FROM ({found}) counted)"


def _oldest(condition: str, priority: int) -> str:
    """The first of a stretch of the queue's index."""
    return (
        f"(SELECT t.created_at FROM reviews_ticket t WHERE t.group_id = g.id AND {condition}"
        f" AND t.priority = {priority} ORDER BY t.created_at LIMIT 1)"
    )


_NOT_ESCALATED = "t.state IN ('open', 'claimed', 'disputed') AND t.escalated_at IS NULL"
# What fell due is escalated within a second, and stands at priority 0 from then on; what a claim holds stays in it.
_LATE = (
    f"{FIRST} AND t.priority = 0 AND t.due_at <= %(now)s",
    f"{LATER} AND t.priority = 0 AND t.due_at <= %(now)s",
    "t.state = 'claimed' AND t.due_at <= %(now)s",
    f"{_NOT_ESCALATED} AND t.due_at <= %(now)s AND t.state <> 'claimed' AND t.priority > 0",
)
_OLDEST = ", ".join(_oldest(condition, priority) for condition in (FIRST, LATER) for priority in (0, 1, 2))
_LOADS = f"""
    WITH settled AS (
        SELECT t.group_id, count(*) AS settled, count(*) FILTER (WHERE v.decided_at <= t.due_at) AS in_time
          FROM reviews_ticket t
          JOIN reviews_verdict v ON v.ticket_id = t.id AND v.stage = t.stage AND v.voided_at IS NULL
         WHERE t.state = 'settled' AND t.settled_at >= %(since)s
         GROUP BY t.group_id
    ), waiting AS (
        SELECT t.group_id, count(*) AS waiting
          FROM reviews_question q JOIN reviews_ticket t ON t.id = q.ticket_id
         WHERE q.answered_at IS NULL AND t.state = 'waiting'
         GROUP BY t.group_id
    )
    SELECT g.id, g.name, people.active, people.away,
           {_counted(FIRST, LATER)},
           {_counted("t.state = 'claimed' AND t.claimed_until >= statement_timestamp()")},
           coalesce(waiting.waiting, 0),
           {_counted(*_LATE)},
           {_counted(f"{_NOT_ESCALATED} AND t.due_at > %(now)s AND t.due_at <= %(hour)s")},
           least({_OLDEST}),
           coalesce(settled.settled, 0), coalesce(settled.in_time, 0)
      FROM auth_group g
      LEFT JOIN settled ON settled.group_id = g.id
      LEFT JOIN waiting ON waiting.group_id = g.id
      CROSS JOIN LATERAL (
           SELECT count(*) FILTER (WHERE u.is_active) AS active,
                  count(*) FILTER (WHERE u.is_active AND p.away) AS away
             FROM auth_user_groups m JOIN auth_user u ON u.id = m.user_id
             LEFT JOIN reviews_reviewerprofile p ON p.user_id = u.id
            WHERE m.group_id = g.id) people
     WHERE waiting.waiting > 0
        OR EXISTS (SELECT FROM policies_workflow w WHERE w.review_group_id = g.id OR w.escalation_group_id = g.id)
        OR EXISTS (SELECT FROM reviews_ticket t WHERE t.group_id = g.id AND {FIRST})
        OR EXISTS (SELECT FROM reviews_ticket t WHERE t.group_id = g.id AND {LATER})
        OR EXISTS (SELECT FROM reviews_ticket t WHERE t.group_id = g.id AND t.state = 'claimed')
     ORDER BY g.name
"""
_OVERDUE = (
    "SELECT late.id, late.group_id FROM unnest(%(groups)s::int[]) AS g(id) CROSS JOIN LATERAL ("
    + " UNION ALL ".join(
        "(SELECT t.id, t.group_id, t.due_at FROM reviews_ticket t"
        f" WHERE t.group_id = g.id AND {each} ORDER BY t.priority, t.created_at, t.id LIMIT {SHOWN})"
        for each in _LATE
    )
    + f") late ORDER BY late.due_at LIMIT {SHOWN}"
)
_WAITING = (
    "SELECT w.id, w.group_id FROM ("
    + " UNION ALL ".join(
        "(SELECT t.id, t.group_id, t.priority, t.created_at FROM reviews_ticket t"
        f" WHERE t.group_id = %(group)s AND {each} ORDER BY t.priority, t.created_at, t.id LIMIT {SHOWN})"
        for each in (FIRST, LATER)
    )
    + f") w ORDER BY w.priority, w.created_at, w.id LIMIT {SHOWN}"
)
