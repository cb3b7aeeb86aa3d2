"""A reviewer's own last verdicts, and which of them can still be taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from statistics import median
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import OuterRef, Subquery

from policies.domain.vocabulary import VerdictKind
from policies.models import ActionType
from reviews.domain.likeness import Case
from reviews.domain.vocabulary import TicketState
from reviews.models import Verdict
from reviews.models.verdict import VerdictQuerySet
from reviews.queries.prepared import Values

SHOWN = 10
PACED = 20


@dataclass(frozen=True, slots=True)
class RecentVerdict:
    """One line of the list. `undo_until` is None once the hold is over, or while others must still answer."""

    ticket_id: UUID
    decision_id: UUID
    kind: str
    action: str
    action_title: str
    proposed_action: str  # the AI's
    subject: str
    shown_at: datetime
    decided_at: datetime
    undo_until: datetime | None
    ticket_state: str
    case: Case | None = None  # what was proposed; only of the latest


@dataclass(frozen=True, slots=True)
class Pace:
    """How the last few verdicts went. Seconds are of one, from shown to decided, on the median."""

    verdicts: int  # PACED at most
    seconds: float
    approvals_in_a_row: int  # up to the last; of those looked at
    changed: int  # how many weren't approvals of what the AI proposed


def pace_of(verdicts: Sequence[RecentVerdict]) -> Pace | None:
    """The pace of what `recent_verdicts` found; None before the first."""
    if not verdicts:
        return None
    approved = [each.kind == VerdictKind.APPROVE for each in verdicts]
    return Pace(
        verdicts=len(verdicts),
        seconds=median((each.decided_at - each.shown_at).total_seconds() for each in verdicts),
        approvals_in_a_row=len(list(takewhile(bool, approved))),
        changed=approved.count(False),
    )


def recent_verdicts(user: User, *, now: datetime) -> tuple[RecentVerdict, ...]:
    """The last twenty standing verdicts of `user`, newest first, of which pages list SHOWN. One query."""
    return tuple(_recent(row, now=now) for row in _newest(user).values(*_READ)[:PACED])


def latest_verdict(user: User, *, now: datetime) -> RecentVerdict | None:
    """The newest of them alone, with what it was of. One query."""
    row = _LATEST.first(user.pk)
    if row is None:
        return None
    case = Case(
        workflow_id=row["ticket__workflow"],
        action=row["ticket__decision__action"],
        subject_id=row["ticket__decision__subject_id"],
        subject_label=row["ticket__decision__subject_label"] or "",
        payload=row["ticket__decision__payload"] or {},
    )
    return _recent(row, now=now, case=case)


# Every ticket shows the latest: columns, since whole rows of three tables would take four times as long to read.
_READ = (
    *("ticket", "kind", "action", "stage", "first_shown_at", "decided_at", "effective_at", "title"),
    *("ticket__state", "ticket__stage", "ticket__workflow", "ticket__decision"),
    *("ticket__decision__action", "ticket__decision__subject_id", "ticket__decision__subject_label"),
)


def _newest(user: User | int) -> VerdictQuerySet:
    named = ActionType.objects.filter(workflow=OuterRef("ticket__workflow"), key=OuterRef("action")).order_by()
    return Verdict.objects.standing().by(user).newest_first().annotate(title=Subquery(named.values("title")))


_LATEST = Values(lambda user: _newest(user).values(*_READ, "ticket__decision__payload")[:1], int)


def _recent(row: Mapping[str, Any], *, now: datetime, case: Case | None = None) -> RecentVerdict:
    return RecentVerdict(
        ticket_id=row["ticket"],
        decision_id=row["ticket__decision"],
        kind=row["kind"],
        action=row["action"],
        action_title=row["title"] or row["action"],
        proposed_action=row["ticket__decision__action"],
        subject=row["ticket__decision__subject_label"] or row["ticket__decision__subject_id"],
        shown_at=row["first_shown_at"],
        decided_at=row["decided_at"],
        undo_until=row["effective_at"] if _can_be_undone(row, now=now) else None,
        ticket_state=row["ticket__state"],
        case=case,
    )


def _can_be_undone(row: Mapping[str, Any], *, now: datetime) -> bool:
    is_last = row["ticket__state"] == TicketState.DECIDED and row["stage"] == row["ticket__stage"]
    return is_last and bool(now < row["effective_at"])
