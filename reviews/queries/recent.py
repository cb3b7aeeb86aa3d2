"""A reviewer's own last verdicts, and which of them can still be taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from statistics import median
from uuid import UUID

from django.contrib.auth.models import User

from policies.domain.vocabulary import VerdictKind
from reviews.domain.likeness import Case
from reviews.domain.vocabulary import TicketState
from reviews.models import Verdict
from reviews.models.verdict import VerdictQuerySet
from reviews.queries.queue import action_titles

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


def pace_of(user: User) -> Pace | None:
    """The pace of the last twenty standing verdicts of `user`; None before the first. One query."""
    newest = Verdict.objects.standing().by(user).newest_first()
    rows = list(newest.values_list("kind", "first_shown_at", "decided_at")[:PACED])
    if not rows:
        return None
    row = takewhile(lambda kind: kind == VerdictKind.APPROVE, (kind for kind, _, _ in rows))
    return Pace(
        verdicts=len(rows),
        seconds=median((decided - shown).total_seconds() for _, shown, decided in rows),
        approvals_in_a_row=len(list(row)),
    )


def recent_verdicts(user: User, *, now: datetime) -> tuple[RecentVerdict, ...]:
    """The last ten standing verdicts of `user`, newest first. Two queries."""
    verdicts = list(_newest(user).defer("ticket__decision__payload", *_UNREAD)[:SHOWN])
    titles = action_titles({verdict.ticket.workflow_id for verdict in verdicts})
    return tuple(_recent(verdict, titles=titles, now=now) for verdict in verdicts)


def latest_verdict(user: User, *, now: datetime) -> RecentVerdict | None:
    """The newest of them alone, with what it was of. Two queries."""
    verdict = _newest(user).defer(*_UNREAD).first()
    if verdict is None:
        return None
    decision = verdict.ticket.decision
    case = Case(
        workflow_id=decision.workflow_id,
        action=decision.action,
        subject_id=decision.subject_id,
        subject_label=decision.subject_label or "",
        payload=decision.payload or {},
    )
    return _recent(verdict, titles=action_titles({decision.workflow_id}), now=now, case=case)


_UNREAD = ("payload", "ticket__decision__context", "ticket__decision__reasoning", "ticket__decision__alternatives")


def _newest(user: User) -> VerdictQuerySet:
    return Verdict.objects.standing().by(user).newest_first().select_related("ticket__decision")


def _recent(
    verdict: Verdict, *, titles: Mapping[tuple[int, str], str], now: datetime, case: Case | None = None
) -> RecentVerdict:
    return RecentVerdict(
        ticket_id=verdict.ticket_id,
        decision_id=verdict.ticket.decision_id,
        kind=verdict.kind,
        action=verdict.action,
        action_title=titles.get((verdict.ticket.workflow_id, verdict.action), verdict.action),
        proposed_action=verdict.ticket.decision.action,
        subject=verdict.ticket.decision.subject_label or verdict.ticket.decision.subject_id,
        decided_at=verdict.decided_at,
        undo_until=verdict.effective_at if _can_be_undone(verdict, now=now) else None,
        ticket_state=verdict.ticket.state,
        case=case,
    )


def _can_be_undone(verdict: Verdict, *, now: datetime) -> bool:
    return (
        verdict.ticket.state == TicketState.DECIDED
        and verdict.stage == verdict.ticket.stage
        and now < verdict.effective_at
    )
