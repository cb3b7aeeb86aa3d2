"""What upstream is told of a decision as of now."""

from datetime import datetime
from typing import Any
from uuid import UUID

from reviews.domain.vocabulary import DecisionStatus, LineState
from reviews.models import Client, IntakeLine
from reviews.queries import decision_answer, decisions_of
from reviews.services.ask import UnknownDecision
from reviews.services.settle import settle_gate_of


class LineRefused(Exception):
    """What the id was kept for in an intake was refused (404)."""

    def __init__(self, intake_id: UUID) -> None:
        self.detail = f"Its submission was refused; intake {intake_id} says why."
        super().__init__(self.detail)


def follow_decision(decision_id: UUID, *, client: Client, now: datetime) -> dict[str, Any]:
    """The answer of api.md; a hold that is over is settled first, without waiting for the sweep.

    One that still waits in an intake is `received`; of one that stood already under another id, the answer is that
    one's. Raises UnknownDecision, LineRefused.
    """
    decision = decisions_of(client).filter(pk=decision_id).first()
    if decision is None:
        return _in_intake(decision_id, client=client, now=now)
    settle_gate_of(decision, now=now)
    return decision_answer(decision)


def _in_intake(decision_id: UUID, *, client: Client, now: datetime) -> dict[str, Any]:
    line = IntakeLine.objects.filter(decision_id=decision_id, intake__client=client).defer("raw").first()
    if line is None:
        raise UnknownDecision
    if line.state == LineState.RECEIVED:
        return {"id": str(decision_id), "status": str(DecisionStatus.RECEIVED), "intake": str(line.intake_id)}
    standing = UUID((line.result or {}).get("id", str(decision_id)))
    if line.state == LineState.REFUSED:
        raise LineRefused(line.intake_id)
    # Taken in since we looked, or found to be there already.
    if not decisions_of(client).filter(pk=standing).exists():
        raise UnknownDecision
    return follow_decision(standing, client=client, now=now)
