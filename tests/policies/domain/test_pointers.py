"""Where in a document something stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.pointers import pointer_to, pointer_tokens, value_at


def test_pointers_lead_to_members_and_elements_and_to_none_where_there_is_nothing():
    document = {"a": [{"b/c": 1}, 2], "~": {"": 3}, "n": None, "01": 4}
    found = {"": document, "/a/0/b~1c": 1, "/a/1": 2, "/~0/": 3, "/n": None, "/01": 4}
    nothing = ["/x", "/a/2", "/a/01", "/a/-", "/a/-1", "/a/b", "/a/1/0", "/n/x", "/a/99999999999999999999", "/a/²"]
    assert {pointer: value_at(document, pointer) for pointer in found} == found
    assert [value_at(document, pointer) for pointer in nothing] == [None] * len(nothing)


@given(st.lists(st.text(max_size=5), max_size=5))
def test_a_pointer_is_read_back_to_the_steps_that_it_was_made_of(steps):
    assert list(pointer_tokens(pointer_to(*steps))) == steps


def test_a_text_that_is_no_pointer_is_refused():
    with pytest.raises(ValueError, match="starts with /"):
        pointer_tokens("amount")
