"""What upstream is told of a decision."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from reviews.domain.answer import decision_answer, moment, status_of
from reviews.domain.vocabulary import FINAL, DecisionStatus, OutcomeKind, TicketState


@pytest.mark.parametrize("kind", OutcomeKind)
@pytest.mark.parametrize("state", [None, *TicketState])
def test_an_outcome_is_the_status_wherever_the_gate_stands(kind, state):
    assert status_of(outcome_kind=kind, gate_state=state) == str(kind)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (None, "received"),
        ("open", "pending_review"),
        ("claimed", "pending_review"),
        ("disputed", "pending_review"),
        ("waiting", "asked"),
        ("decided", "decided"),
    ],
)
def test_without_an_outcome_the_gate_tells(state, status):
    assert status_of(outcome_kind=None, gate_state=state) == DecisionStatus(status)


@pytest.mark.parametrize("state", FINAL)
def test_a_final_gate_without_an_outcome_is_no_state_of_things(state):
    with pytest.raises(KeyError):
        status_of(outcome_kind=None, gate_state=state)


def test_where_no_policy_was_in_force_none_is_named():
    answer = decision_answer(
        decision_id=UUID(int=1),
        external_id="a",
        status="pending_review",
        route="review",
        reasons=(),
        policy_number=None,
        policy_digest="",
    )
    assert (answer["policy"], answer["ticket"], answer["outcome"]) == (None, None, None)


def test_moments_are_told_in_utc():
    there = timezone(timedelta(hours=2))
    assert moment(datetime(2026, 3, 2, 11, 0, tzinfo=there)) == "2026-03-02T09:00:00Z"
    assert moment(datetime(2026, 3, 2, 9, 0, 0, 5, tzinfo=UTC)) == "2026-03-02T09:00:00.000005Z"
