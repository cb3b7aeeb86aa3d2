"""Canonical JSON out."""

import math
from decimal import Decimal

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.domain.canonical import canonical_bytes, payload_sha256, sha256_hex
from policies.domain.strict_json import parse_strict
from tests.policies.strategies import documents


@given(documents())
@settings(max_examples=1_000, deadline=None)
@example({"a": 12.0, "b": 1e16, "c": 1e-5, "d": 1e-7, "e": -0.0, "f": 1.5})
@example({"\U0001f600": 1, "\ue000": 2, "é": 3})
@example({"a": 'x\U0001f600":', "b": "\U0001f600\\"})
@example({"a": ",12.0,", "b": [1, 2.0], "c": None})
@example(1e21)
@example(12.0)
def test_the_canonical_form_is_that_of_the_reference(document):
    assert canonical_bytes(document) == rfc8785.dumps(document)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_written_as_the_reference_writes_it(number):
    for document in (number, [number], {"a": number, "b": [1, number]}):
        assert canonical_bytes(document) == rfc8785.dumps(document)


@given(st.dictionaries(st.text('a\ue000\uffff\U00010000\U0010ffff"\\:,', max_size=3), st.text(max_size=2), max_size=6))
def test_keys_stand_in_the_order_of_their_utf_16_units(document):
    assert canonical_bytes(document) == rfc8785.dumps(document)


@given(documents())
def test_the_canonical_form_reads_back_to_the_same_and_is_its_own(document):
    once = canonical_bytes(document)
    assert canonical_bytes(parse_strict(once)) == once


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        [math.nan],
        {"a": [1, {"b": math.inf}]},
        (1, (math.nan,)),
        2**53,
        -(2**53),
        [2**64],
        "\ud800",
        {"\udfff": 1},
        {1: "a"},
        {None: 1},
        Decimal("0.5"),
        {1, 2},
        b"bytes",
        object(),
    ],
)
def test_what_has_no_canonical_form_raises_and_is_never_written_as_something_else(value):
    with pytest.raises(ValueError):
        canonical_bytes(value)


def test_tuples_are_lists_and_the_order_of_keys_makes_no_difference():
    assert canonical_bytes({"b": (1, 2), "a": 1}) == canonical_bytes({"a": 1, "b": [1, 2]}) == b'{"a":1,"b":[1,2]}'


def test_the_published_example_of_rfc_8785_comes_out_byte_for_byte():
    document = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical_bytes(document) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        + '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'.encode()
    )


def test_a_payload_is_bound_by_the_hash_of_its_canonical_form():
    known = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"  # echo -n '{"a":1}' | sha256sum
    assert sha256_hex(b'{"a":1}') == known
    assert payload_sha256({"a": 1}) == payload_sha256({"a": 1.0}) == known
    assert payload_sha256({"a": "1"}) != known
