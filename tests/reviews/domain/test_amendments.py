"""What a person may change, and whether the changed payload can run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.domain.amendments import changed_places, forbidden_changes, schema_errors, unreadable_parts

BEFORE = {"to": "a@example.org", "body": "Hi", "lines": [{"sum": 1}, {"sum": 2}], "a/b": {"~": 1}}

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a/b"]), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("after", "places"),
    [
        (BEFORE, []),
        ({**BEFORE, "body": "Hello"}, ["/body"]),
        ({**BEFORE, "cc": ""}, ["/cc"]),
        ({"to": "a@example.org", "body": "Hi", "lines": BEFORE["lines"]}, ["/a~1b"]),
        ({**BEFORE, "lines": [{"sum": 1}, {"sum": 3}]}, ["/lines/1/sum"]),
        ({**BEFORE, "lines": [{"sum": 1}]}, ["/lines"]),
        ({**BEFORE, "a/b": {"~": 2}}, ["/a~1b/~0"]),
        ({**BEFORE, "body": {"Hi": 1}}, ["/body"]),
        ({**BEFORE, "lines": [{"sum": 1.0}, {"sum": 2}]}, []),  # 1 and 1.0 are one number in canonical JSON
        ({**BEFORE, "lines": [{"sum": True}, {"sum": 2}]}, ["/lines/0/sum"]),
    ],
)
def test_the_smallest_places_that_differ(after, places):
    assert list(changed_places(BEFORE, after)) == places


@given(documents, documents)
def test_nothing_differs_exactly_where_the_documents_are_the_same(before, after):
    assert (list(changed_places(before, after)) == []) == (_typed(before) == _typed(after))


def _typed(value):
    if isinstance(value, dict):
        return {key: _typed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_typed(member) for member in value]
    return type(value), value  # Python's == would take 1 for True


def test_only_what_the_action_opens_may_be_edited():
    after = {**BEFORE, "body": "Hello", "to": "b@example.org", "lines": [{"sum": 1}, {"sum": 3}]}
    assert [place for place, _ in forbidden_changes(BEFORE, after, editable=["/body", "/lines"])] == ["/to"]
    assert [place for place, _ in forbidden_changes(BEFORE, after, editable=["/bod", "/to"])] == [
        "/body",
        "/lines/1/sum",
    ]


def test_an_open_field_opens_nothing_around_it():
    without = {key: value for key, value in BEFORE.items() if key != "lines"}
    assert forbidden_changes(BEFORE, without, editable=["/lines/0/sum"])


@pytest.mark.parametrize(
    "payload", [{"a": "\x00"}, {"a": "\ud800"}, {"a": 2**53}, {"a": float("nan")}, {"a": object()}]
)
def test_what_no_strict_reader_takes_is_found(payload):
    assert unreadable_parts(payload)
    assert unreadable_parts({"a": ["x", 1, 1.5, None, True]}) == []


def test_the_schema_names_each_place():
    schema = {"type": "object", "required": ["to"], "properties": {"sum": {"type": "number", "maximum": 9}}}
    assert [place for place, _ in schema_errors({"sum": 10}, schema=schema)] == ["", "/sum"]
    assert schema_errors({"to": 1, "sum": 9}, schema=schema) == []
    assert schema_errors({"anything": 1}, schema=None) == []


@pytest.mark.parametrize("schema", [{"$ref": "https://example.org/schema.json"}, {"$ref": "#/nowhere"}, {"type": 7}])
def test_a_schema_that_can_not_be_applied_lets_nothing_through_and_fetches_nothing(schema):
    assert schema_errors({}, schema=schema)
