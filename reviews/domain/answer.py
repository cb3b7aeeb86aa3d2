"""The answer that upstream reads of a decision, when it submits one and when it asks for one later."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from reviews.domain.vocabulary import DecisionStatus, TicketState

_OF_A_GATE = {
    TicketState.OPEN: DecisionStatus.PENDING_REVIEW,
    TicketState.CLAIMED: DecisionStatus.PENDING_REVIEW,
    TicketState.DISPUTED: DecisionStatus.PENDING_REVIEW,
    TicketState.WAITING: DecisionStatus.ASKED,
    TicketState.DECIDED: DecisionStatus.DECIDED,
}


def status_of(*, outcome_kind: str | None, gate_state: str | None) -> DecisionStatus:
    """What upstream is told: the outcome where there is one, else where the gate stands. Derived, never stored.

    Raises KeyError for a gate that is final while there is no outcome: the two are written in one transaction.
    """
    if outcome_kind is not None:
        return DecisionStatus(outcome_kind)
    if gate_state is None:
        return DecisionStatus.RECEIVED
    return _OF_A_GATE[TicketState(gate_state)]


def ticket_answer(*, ticket_id: UUID, group: str, due_at: datetime) -> dict[str, Any]:
    """What upstream learns of the gate: nothing about who holds it."""
    return {"id": str(ticket_id), "group": group, "due_at": moment(due_at)}


def outcome_answer(
    *,
    kind: str,
    method: str,
    action: str,
    payload: Mapping[str, Any] | None,
    payload_sha256: str,
    settled_at: datetime,
) -> dict[str, Any]:
    """The binding answer. What runs is this action with this payload, not the one that was submitted."""
    return {
        "kind": str(kind),
        "method": str(method),
        "action": action,
        "payload": payload,
        "payload_sha256": payload_sha256,
        "settled_at": moment(settled_at),
    }


def decision_answer(
    *,
    decision_id: UUID,
    external_id: str,
    status: str,
    route: str,
    reasons: Sequence[Mapping[str, Any]],
    policy_number: int | None,
    policy_digest: str,
    ticket: Mapping[str, Any] | None = None,
    outcome: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The JSON of a decision in api.md. `ticket` is its gate; `policy` is null where none was in force."""
    return {
        "id": str(decision_id),
        "external_id": external_id,
        "status": str(status),
        "route": str(route),
        "reasons": list(reasons),
        "policy": None if policy_number is None else {"version": policy_number, "digest": policy_digest},
        "ticket": ticket,
        "outcome": outcome,
    }


def moment(value: datetime) -> str:
    """RFC 3339 in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
