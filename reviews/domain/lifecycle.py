"""The life cycle of a ticket: one table, and nothing else decides.

A state and an event give the next state, or the move is refused. The table has no edge into an approval: an
outcome that lets something run is written only when a ticket settles that people's verdicts had decided.
"""

from dataclasses import dataclass

from reviews.domain.vocabulary import FINAL, TicketEvent, TicketKind, TicketState

S = TicketState
E = TicketEvent

# RESTING stands for the state a claimed ticket came from: open, or disputed.
RESTING = "resting"

MOVES: dict[TicketState, dict[TicketEvent, TicketState | str]] = {
    S.OPEN: {E.TAKE: S.CLAIMED, E.MOVE: S.OPEN, E.FALL_DUE: S.OPEN, E.CANCEL: S.WITHDRAWN, E.DEADLINE: S.EXPIRED},
    S.DISPUTED: {E.TAKE: S.CLAIMED, E.FALL_DUE: S.DISPUTED, E.CANCEL: S.WITHDRAWN, E.DEADLINE: S.EXPIRED},
    S.CLAIMED: {
        E.RELEASE: RESTING,
        E.LAPSE: RESTING,
        E.SKIP: RESTING,
        E.ASK: S.WAITING,
        E.ESCALATE: S.OPEN,
        E.VERDICT_MORE: S.OPEN,
        E.VERDICT_DISAGREES: S.DISPUTED,
        E.VERDICT_FINAL: S.DECIDED,
        E.FALL_DUE: S.CLAIMED,
        E.CANCEL: S.WITHDRAWN,
        E.DEADLINE: S.EXPIRED,
    },
    S.WAITING: {E.ANSWER: S.OPEN, E.CANCEL: S.WITHDRAWN, E.DEADLINE: S.EXPIRED},
    S.DECIDED: {E.UNDO: S.CLAIMED, E.HOLD_OVER: S.SETTLED, E.CANCEL: S.WITHDRAWN},
    S.SETTLED: {},
    S.WITHDRAWN: {},
    S.EXPIRED: {},
}

# Only a gate holds up an action, so only a gate can be cancelled or run out of time.
GATE_ONLY = frozenset({E.CANCEL, E.DEADLINE})


class MoveRefused(Exception):
    """The life cycle has no such move from this state."""

    def __init__(self, state: str, event: str, kind: str) -> None:
        super().__init__(f"A {kind} ticket that is {state} can't be moved by {event}.")
        self.state, self.event, self.kind = state, event, kind


@dataclass(frozen=True, slots=True)
class Standing:
    """What the table needs to know of a ticket."""

    kind: str
    state: str
    resting: str = S.OPEN  # where it goes back to when a claim ends: open or disputed


def advance(standing: Standing, event: TicketEvent) -> TicketState:
    """The state after `event`. Raises MoveRefused when the table has no such move."""
    state = TicketState(standing.state)
    target = MOVES[state].get(event)
    if target is None or (event in GATE_ONLY and standing.kind != TicketKind.GATE):
        raise MoveRefused(standing.state, event, standing.kind)
    return TicketState(standing.resting) if target == RESTING else TicketState(target)


def is_final(state: str) -> bool:
    """Whether nothing can happen to the ticket any more."""
    return state in FINAL
