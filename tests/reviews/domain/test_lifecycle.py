"""The whole table, state by event, and that nothing in it approves but a person."""

from itertools import product

import pytest

from reviews.domain.lifecycle import MOVES, MoveRefused, Standing, advance, is_final
from reviews.domain.vocabulary import FINAL, TicketEvent, TicketKind, TicketState

S, E = TicketState, TicketEvent

# Written out once more, by hand: what domain.md says, cell by cell. What isn't here is refused.
EXPECTED = {
    (S.OPEN, E.TAKE): S.CLAIMED,
    (S.OPEN, E.MOVE): S.OPEN,
    (S.OPEN, E.FALL_DUE): S.OPEN,
    (S.OPEN, E.CANCEL): S.WITHDRAWN,
    (S.OPEN, E.DEADLINE): S.EXPIRED,
    (S.DISPUTED, E.TAKE): S.CLAIMED,
    (S.DISPUTED, E.FALL_DUE): S.DISPUTED,
    (S.DISPUTED, E.CANCEL): S.WITHDRAWN,
    (S.DISPUTED, E.DEADLINE): S.EXPIRED,
    (S.CLAIMED, E.RELEASE): "where it came from",
    (S.CLAIMED, E.LAPSE): "where it came from",
    (S.CLAIMED, E.SKIP): "where it came from",
    (S.CLAIMED, E.ASK): S.WAITING,
    (S.CLAIMED, E.ESCALATE): S.OPEN,
    (S.CLAIMED, E.VERDICT_MORE): S.OPEN,
    (S.CLAIMED, E.VERDICT_DISAGREES): S.DISPUTED,
    (S.CLAIMED, E.VERDICT_FINAL): S.DECIDED,
    (S.CLAIMED, E.FALL_DUE): S.CLAIMED,
    (S.CLAIMED, E.CANCEL): S.WITHDRAWN,
    (S.CLAIMED, E.DEADLINE): S.EXPIRED,
    (S.WAITING, E.ANSWER): S.OPEN,
    (S.WAITING, E.CANCEL): S.WITHDRAWN,
    (S.WAITING, E.DEADLINE): S.EXPIRED,
    (S.DECIDED, E.UNDO): S.CLAIMED,
    (S.DECIDED, E.HOLD_OVER): S.SETTLED,
    (S.DECIDED, E.CANCEL): S.WITHDRAWN,
}
VERDICTS = {E.VERDICT_MORE, E.VERDICT_DISAGREES, E.VERDICT_FINAL}
GATE_ONLY = {E.CANCEL, E.DEADLINE}


@pytest.mark.parametrize(("state", "event", "kind"), list(product(TicketState, TicketEvent, TicketKind)))
def test_every_state_and_event_of_every_kind(state, event, kind):
    expected = EXPECTED.get((state, event))
    if event in GATE_ONLY and kind != TicketKind.GATE:
        expected = None
    for resting in (S.OPEN, S.DISPUTED):
        standing = Standing(kind=kind, state=state, resting=resting)
        if expected is None:
            with pytest.raises(MoveRefused):
                advance(standing, event)
        else:
            assert advance(standing, event) == (resting if expected == "where it came from" else expected)


def test_nothing_happens_any_more_to_what_is_final():
    assert {state for state in TicketState if is_final(state)} == set(FINAL)
    assert all(not MOVES[state] for state in FINAL)


def test_only_a_verdict_leads_to_decided_and_only_decided_to_settled():
    into = {target: {event for (_, event), to in EXPECTED.items() if to == target} for target in TicketState}
    assert into[S.DECIDED] == {E.VERDICT_FINAL}
    assert {state for (state, _), to in EXPECTED.items() if to == S.SETTLED} == {S.DECIDED}
    assert {state for (state, event), _ in EXPECTED.items() if event in VERDICTS} == {S.CLAIMED}


def test_without_a_verdict_no_way_leads_to_a_settled_ticket():
    reached = {S.OPEN}
    while True:
        further = {
            advance(Standing(kind=TicketKind.GATE, state=state, resting=resting), event)
            for state, resting, event in product(reached, (S.OPEN, S.DISPUTED), TicketEvent)
            if event not in VERDICTS and event in MOVES[state]
        }
        if further <= reached:
            break
        reached |= further
    assert reached == {S.OPEN, S.DISPUTED, S.CLAIMED, S.WAITING, S.WITHDRAWN, S.EXPIRED}
