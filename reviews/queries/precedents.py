"""What people decided in like cases: a fragment beside the ticket, loaded by a URL of its own."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from reviews.models import Decision, Outcome
from reviews.queries.queue import action_titles, name_of

SHOWN = 5
# So many of the newest are looked through; older ones say little of today.
LOOKED_THROUGH = 200


@dataclass(frozen=True, slots=True)
class Precedent:
    """One earlier decision, and how it ended."""

    decision_id: UUID
    action: str
    action_title: str
    subject: str
    outcome: str  # its kind
    method: str  # who gave it: the policy, a person or the system
    final_action: str
    decided_by: str  # the last reviewer's name; "" when nobody was asked
    reason_code: str
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Precedents:
    """Three ways of being alike, each newest first."""

    same_subject: tuple[Precedent, ...]
    same_action: tuple[Precedent, ...]  # decided by a person
    same_payload: tuple[Precedent, ...]


def precedents(decision: Decision) -> Precedents:
    """Settled decisions like this one, never itself, never known answers. Four queries."""
    others = Decision.objects.filter(id__lt=decision.id, workflow=decision.workflow_id).newest_first()
    if decision.internal:
        # What a known answer was cloned from would tell the answer.
        others = others.exclude(pk=seed_of(decision)).exclude(payload_sha256=decision.payload_sha256)
    of_subject = _newest(others.filter(subject_id=decision.subject_id)) if decision.subject_id else []
    of_action = _newest(others.filter(action=decision.action, route="review"))
    of_payload = _newest(others.filter(payload_sha256=decision.payload_sha256, action=decision.action))
    titles = action_titles({decision.workflow_id})
    return Precedents(
        *(
            tuple(_precedent(outcome, titles.get((decision.workflow_id, outcome.decision.action))) for outcome in found)
            for found in (of_subject, of_action, of_payload)
        )
    )


def seed_of(decision: Decision) -> UUID:
    """The id of the seed that a known answer was cloned from: its idempotency key begins with it."""
    return UUID(str(decision.idempotency_key).split("/")[0]) if decision.idempotency_key else decision.pk


def _newest(decisions: QuerySet[Decision]) -> list[Outcome]:
    """The outcomes of the newest few; what is still open is passed over within LOOKED_THROUGH."""
    newest = decisions.values("id")[:LOOKED_THROUGH]
    return list(
        Outcome.objects.filter(decision__in=newest)
        .select_related("decision", "verdict__reviewer")
        .defer("payload", "decision__payload", "decision__context", "decision__reasoning", "decision__alternatives")
        .order_by("-decision_id")[:SHOWN]
    )


def _precedent(outcome: Outcome, title: str | None) -> Precedent:
    decision, verdict = outcome.decision, outcome.verdict
    return Precedent(
        decision_id=decision.id,
        action=decision.action,
        action_title=title or decision.action,
        subject=decision.subject_label or decision.subject_id,
        outcome=outcome.kind,
        method=outcome.method,
        final_action=outcome.action,
        decided_by=name_of(verdict.reviewer) if verdict else "",
        reason_code=verdict.reason_code if verdict else "",
        settled_at=outcome.settled_at,
    )
