"""A payload as a person reads it: whole, in order, and changed only where it may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.pointers import value_at
from policies.domain.vocabulary import Layout
from reviews.domain.fields import NoSuchField, fields_of, shown_whole, with_value

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


def test_a_short_value_is_a_fact_and_a_long_one_a_block_that_comes_first():
    fields = fields_of({"amount": "12.00", "message": "a" * 200}, layout={})
    assert [(field.label, field.is_block) for field in fields] == [("Message", True), ("Amount", False)]


def test_the_layout_decides_how_a_field_is_shown_and_the_shape_where_it_is_silent():
    payload = {"body": "Hi", "rows": [{"a": 1}], "deep": [[1]], "n": {"x": 1}}
    shown = {field.pointer: field.layout for field in fields_of(payload, layout={"/body": "message"})}
    assert shown == {"/body": Layout.MESSAGE, "/rows": Layout.TABLE, "/deep": Layout.CODE, "/n/x": Layout.TEXT}


def test_a_layout_for_a_whole_object_keeps_it_in_one_piece():
    fields = fields_of({"price": {"amount": "1", "currency": "EUR"}}, layout={"/price": "money"})
    assert [(field.pointer, field.layout) for field in fields] == [("/price", Layout.MONEY)]


def test_a_layout_that_nobody_knows_falls_back_to_the_shape():
    assert fields_of({"a": "b"}, layout={"/a": "hologram"})[0].layout == Layout.TEXT


def test_only_the_opened_fields_are_editable():
    fields = fields_of({"a/b": "x", "c": "y"}, layout={}, editable=("/a~1b",))
    assert {field.pointer: field.editable for field in fields} == {"/a~1b": True, "/c": False}


def test_names_are_read_as_words_but_codes_stay_codes():
    labels = [field.label for field in fields_of({"card_ending": 1, "PAY_0": 2, "to": {"name": 3}}, layout={})]
    assert labels == ["Card ending", "PAY_0", "To › Name"]


@given(documents)
def test_every_place_of_a_payload_is_in_exactly_one_field(payload):
    fields = fields_of(payload, layout={})
    assert len({field.pointer for field in fields}) == len(fields)
    for field in fields:
        assert value_at(payload, field.pointer) == field.value
    rebuilt = payload
    for field in fields:
        rebuilt = with_value(rebuilt, field.pointer, field.value)
    assert rebuilt == payload


def test_a_value_is_replaced_in_a_copy():
    payload = {"to": [{"name": "Ana"}]}
    assert with_value(payload, "/to/0/name", "Ben") == {"to": [{"name": "Ben"}]}
    assert payload == {"to": [{"name": "Ana"}]}


@pytest.mark.parametrize("pointer", ["/x/y", "/to/1", "/to/-1", "/to/0/name/deeper"])
def test_a_value_is_placed_only_where_its_parent_is(pointer):
    with pytest.raises(NoSuchField):
        with_value({"to": [{"name": "Ana"}]}, pointer, "Ben")


def test_what_no_page_can_show_in_one_piece_is_said_so():
    assert shown_whole({"text": "a" * 99_990})
    assert not shown_whole({"text": "a" * 100_001})
    assert not shown_whole([0] * 400)


def test_a_table_has_every_column_of_every_row():
    field = fields_of({"lines": [{"item": "Filter", "qty": 2}, {"item": "Post", "price": None}]}, layout={})[0]
    assert field.columns == ("item", "qty", "price")
    assert field.rows == (("Filter", "2", ""), ("Post", "", "null"))


def test_a_table_of_anything_else_is_shown_as_it_is():
    assert fields_of({"lines": "none"}, layout={"/lines": "table"})[0].layout == Layout.TEXT
    assert fields_of({"lines": [[1], [2]]}, layout={"/lines": "table"})[0].layout == Layout.CODE


def test_the_lines_of_a_difference_say_what_they_are():
    field = fields_of({"patch": "+a\n-b\n c"}, layout={"/patch": "diff"})[0]
    assert field.lines == (("added", "+a"), ("removed", "-b"), ("", " c"))
