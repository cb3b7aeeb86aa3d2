"""Whether what many saw of one register at once could have come of one after the other.

A history is linearizable when its operations can be put into an order in which each stands between its call and its
answer, and each answer is right for a register that does one thing at a time (Herlihy and Wing, 1990). The search is
that of Wing and Gong (1993): take any operation that nothing unfinished must precede, see whether its answer is right,
go on. What changes nothing is taken as soon as it may come: every order that works without it still works behind it, so
that only what changes the register needs to be tried in different orders.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    """Who did what, when it was called and answered (on one clock), and what the answer was."""

    who: str
    what: str
    called: float
    answered: float
    answer: Any


Register = Callable[[Any, Operation], tuple[Any, Any]]
"""The register as it should be: of its state and an operation, the state after it and the right answer."""


def is_linearizable(history: Sequence[Operation], *, start: Any, register: Register) -> bool:
    """Whether there is such an order, from the state `start`. States must be hashable."""
    refuted: set[tuple[frozenset[int], Any]] = set()

    def can_follow(left: frozenset[int], state: Any) -> bool:
        left = _without_idle(left, state)
        if not left:
            return True
        if (left, state) in refuted:
            return False
        for place in _may_be_next(left):
            after, right = register(state, history[place])
            if right == history[place].answer and can_follow(left - {place}, after):
                return True
        refuted.add((left, state))
        return False

    def _without_idle(left: frozenset[int], state: Any) -> frozenset[int]:
        while idle := [
            place for place in _may_be_next(left) if register(state, history[place]) == (state, history[place].answer)
        ]:
            left -= set(idle)
        return left

    def _may_be_next(left: frozenset[int]) -> list[int]:
        first_answer = min((history[place].answered for place in left), default=0.0)
        return [place for place in left if history[place].called <= first_answer]

    return can_follow(frozenset(range(len(history))), start)
