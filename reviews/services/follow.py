"""What upstream is told of a decision as of now."""

from datetime import datetime
from typing import Any
from uuid import UUID

from reviews.domain.vocabulary import DecisionStatus, LineState
from reviews.models import Client, IntakeLine, Ticket
from reviews.queries import decision_answer, decisions_of
from reviews.services.ask import UnknownDecision
from reviews.services.settle import settle_if_over


def follow_decision(decision_id: UUID, *, client: Client, now: datetime) -> dict[str, Any]:
    """The answer of api.md; a hold that is over is settled first, without waiting for the sweep.

    One that still waits in an intake is `received`. Raises UnknownDecision.
    """
    decision = decisions_of(client).filter(pk=decision_id).first()
    if decision is None:
        return _received(decision_id, client=client)
    for gate in Ticket.objects.gates().past_hold(now=now).filter(decision=decision):
        settle_if_over(gate, now=now)
    return decision_answer(decision)


def _received(decision_id: UUID, *, client: Client) -> dict[str, Any]:
    lines = IntakeLine.objects.filter(decision_id=decision_id, intake__client=client, state=LineState.RECEIVED)
    intake_id = lines.values_list("intake_id", flat=True).first()
    if intake_id is None:
        raise UnknownDecision
    return {"id": str(decision_id), "status": str(DecisionStatus.RECEIVED), "intake": str(intake_id)}
