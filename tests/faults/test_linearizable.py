"""The checker itself: it passes what could have happened and fails what couldn't."""

import pytest

from tests.faults.linearizable import Operation, is_linearizable


def first_wins(state, operation):
    """A register that keeps the first name it is given and tells it to everybody."""
    if operation.what == "set" and state is None:
        return operation.who, operation.who
    return state, state


def history(*rows):
    return [Operation(who, what, called, answered, answer) for who, what, called, answered, answer in rows]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("ana", "set", 0, 1, "ana"), ("ben", "set", 2, 3, "ana")],
        # At the same moment either may have come first, and a read beside them may have seen nothing yet.
        [("ana", "set", 0, 3, "ben"), ("ben", "set", 0, 3, "ben"), ("omar", "read", 1, 2, None)],
        # Who came last won, since all three were under way together.
        [("ana", "set", 0, 9, "omar"), ("ben", "set", 1, 9, "omar"), ("omar", "set", 2, 8, "omar")],
        [(f"reviewer-{n}", "set", 0, 1, "reviewer-7") for n in range(32)],
    ],
)
def test_what_could_have_come_one_after_the_other_passes(rows):
    assert is_linearizable(history(*rows), start=None, register=first_wins)


@pytest.mark.parametrize(
    "rows",
    [
        # Two winners.
        [("ana", "set", 0, 1, "ana"), ("ben", "set", 0, 1, "ben")],
        # Nobody who was there won.
        [("ana", "set", 0, 1, "eve")],
        # Ana was answered before Ben called, so Ben can't have been first.
        [("ana", "set", 0, 1, "ben"), ("ben", "set", 2, 3, "ben")],
        # What was seen once is gone again.
        [("ana", "set", 0, 1, "ana"), ("omar", "read", 2, 3, "ana"), ("omar", "read", 4, 5, None)],
        # Seen before it was there.
        [("omar", "read", 0, 1, "ana"), ("ana", "set", 2, 3, "ana")],
        [("ana", "set", 0, 9, "ana"), ("ben", "read", 1, 2, "ana"), ("omar", "read", 3, 4, None)],
    ],
)
def test_what_could_not_fails(rows):
    assert not is_linearizable(history(*rows), start=None, register=first_wins)
