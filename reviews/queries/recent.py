"""A reviewer's own last verdicts, and which of them can still be taken back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User

from reviews.domain.vocabulary import TicketState
from reviews.models import Verdict
from reviews.queries.queue import action_titles

SHOWN = 10


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


def recent_verdicts(user: User, *, now: datetime) -> tuple[RecentVerdict, ...]:
    """The last ten standing verdicts of `user`, newest first. Two queries."""
    verdicts = list(
        Verdict.objects.standing()
        .by(user)
        .newest_first()
        .select_related("ticket__decision")
        .defer("payload", "ticket__decision__payload", "ticket__decision__context", "ticket__decision__reasoning")[
            :SHOWN
        ]
    )
    titles = action_titles({verdict.ticket.workflow_id for verdict in verdicts})
    return tuple(
        RecentVerdict(
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
        )
        for verdict in verdicts
    )


def _can_be_undone(verdict: Verdict, *, now: datetime) -> bool:
    return (
        verdict.ticket.state == TicketState.DECIDED
        and verdict.stage == verdict.ticket.stage
        and now < verdict.effective_at
    )
