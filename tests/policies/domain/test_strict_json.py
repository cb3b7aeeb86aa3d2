"""Strict JSON in: what is taken, what is refused, and where."""

import json
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.domain.canonical import canonical_bytes
from policies.domain.pointers import pointer_tokens
from policies.domain.strict_json import (
    MAX_NODES,
    MAX_NUMBER,
    InputError,
    NotJson,
    Refused,
    _CarefulReader,
    parse_strict,
)
from tests.policies.domain.json_cases import CASES, NAUGHTY
from tests.policies.strategies import documents

EXACT = frozenset({"/confidence", "/alternatives/*/confidence"})
DEEPEST = b"[" * 32 + b"]" * 32
FULLEST = b"[" + b"0," * (MAX_NODES - 2) + b"0]"


# ---- What is taken --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b' {"a": [1, -2, 0.5, "x", true, false, null]} \n', {"a": [1, -2, 0.5, "x", True, False, None]}),
        (b'"\xc3\xa4 \xf0\x9f\x98\x80 \\u00e4 \\ud83d\\ude00 \\\\ud800 \\/"', "ä 😀 ä 😀 \\ud800 /"),
        (b"9007199254740991", MAX_NUMBER),
        (b"-9007199254740991", -MAX_NUMBER),
        (b"9007199254740991.0", float(MAX_NUMBER)),
        (b"12.50", 12.5),
        (b"1E5", 1e5),
        (b"0.1", 0.1),
        (b"1e-7", 1e-7),
        (b"5e-324", 5e-324),
        (b"-0", 0),
        (b"1." + b"0" * 300, 1.0),
        (b"[0.85, 0.850]", [0.85, 0.85]),
        (b'{"": {"a": {}}, "b": []}', {"": {"a": {}}, "b": []}),
        (b'{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
    ],
)
def test_plain_json_is_read_as_it_stands(raw, value):
    read = parse_strict(raw)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("raw", [DEEPEST, FULLEST, b'["' + b"[" * 40 + b'"]', b'"' + b"," * 6_000 + b'"'])
def test_what_stands_just_within_the_limits_is_taken(raw):
    assert parse_strict(raw) == json.loads(raw)


# ---- What is refused ------------------------------------------------------------------------------------------------


NOT_JSON = [
    (b"", "", "nothing here"),
    (b" \n\t", "", "nothing here"),
    (b"\xef\xbb\xbf{}", "", "byte order mark"),
    (b'{"a": "\xff"}', "", "Byte 7 is not UTF-8"),
    (b'"\xed\xa0\x80"', "", "not UTF-8"),  # A surrogate, encoded.
    (b'"\xc0\x80"', "", "not UTF-8"),  # NUL, written too long.
    ("{}".encode("utf-16"), "", "not UTF-8"),
    (b"{", "", "the text ends"),
    (b'{"a": 1', "", "a comma or }"),
    (b'{"a": 1,}', "", "a key in double quotes"),
    (b'{"a": {"b": 1 2}}', "/a", "a comma or }"),
    (b'{"a" 1}', "", "a colon"),
    (b"{'a': 1}", "", "a key in double quotes"),
    (b"{a: 1}", "", "a key in double quotes"),
    (b"[1, 2", "", "a comma or ]"),
    (b"[1,]", "/1", "a value"),
    (b"[,1]", "/0", "a value"),
    (b"[1] x", "", "the end"),
    (b"{} {}", "", "the end"),
    (b"[01]", "", "a comma or ]"),
    (b"[+1]", "/0", "a value"),
    (b"[.5]", "/0", "a value"),
    (b"[1.]", "", "a comma or ]"),
    (b"[1e]", "", "a comma or ]"),
    (b"[0x10]", "", "a comma or ]"),
    (b"[-]", "/0", "a value"),
    (b"[nul]", "/0", "a value"),
    (b"[True]", "/0", "a value"),
    (b'{"a": [1, NaN]}', "/a/1", "NaN is not JSON"),
    (b"[Infinity]", "/0", "Infinity is not JSON"),
    (b"[-Infinity]", "/0", "-Infinity is not JSON"),
    (b'["\x01"]', "/0", "control character"),
    (b'["a\nb"]', "/0", "control character"),
    (b'["\\x"]', "/0", "escape"),
    (b'["\\u12"]', "/0", "escape"),
    (b'["\\u12', "/0", "does not end"),
    (b'["a', "/0", "does not end"),
    (b"// c\n{}", "", "a value"),
    (b"\x0c{}", "", "a value"),
    ("[１]".encode(), "/0", "a value"),
    (b"[1,\xc2\xa02]", "/1", "a value"),
    (b"[" * 100_000, "/0" * 32, "32"),
]

REFUSED = [
    (b'{"a": 1, "b": 2, "a": 1}', "/a", "twice"),
    (b'{"x": [{"a/b": 1, "\\u0061/b": 2}]}', "/x/0/a~1b", "twice"),
    (b'{"payload": {"n": 9007199254740992}}', "/payload/n", "9,007,199,254,740,991"),
    (b"[-9007199254740992]", "/0", "9,007,199,254,740,991"),
    (b"[9007199254740992.0]", "/0", "9,007,199,254,740,991"),
    (b"[1e16]", "/0", "9,007,199,254,740,991"),
    (b"[1e400]", "/0", "9,007,199,254,740,991"),
    (b"[-1e400]", "/0", "9,007,199,254,740,991"),
    (b"[1e99999999999999999999]", "/0", "9,007,199,254,740,991"),
    (b"[" + b"9" * 5_000 + b"]", "/0", "9,007,199,254,740,991"),
    (b"[0.1234567890123456789]", "/0", "double"),
    (b"[9007199254740990.9]", "/0", "double"),
    (b"[1e-400]", "/0", "double"),
    (b"[1.2345e-320]", "/0", "double"),
    (b"[1e-99999999999999999999]", "/0", "double"),
    (b'{"a": "x\\u0000"}', "/a", "NUL"),
    (b'{"\\u0000": 1}', "", "NUL"),
    (b'["\\ud800"]', "/0", "U+D800"),
    (b'["\\udc00\\ud800"]', "/0", "U+DC00"),
    (b'["\\ud800\\u0041"]', "/0", "U+D800"),
    (b'["\\\\\\ud83d"]', "/0", "U+D83D"),
    (b'{"\\udfff": 1}', "", "U+DFFF"),
    (b"[" * 33 + b"]" * 33, "/0" * 32, "32"),
    (b'{"a":' * 33 + b"1" + b"}" * 33, "/a" * 32, "32"),
    (b"[" + DEEPEST + b"]", "/0" * 32, "32"),
    (b"[" + b"0," * (MAX_NODES - 1) + b"0]", "/4999", "5,000"),
    (b'{"a":[' + b"[],{}," * MAX_NODES + b"0]}", "/a/4998", "5,000"),
    (b'{"confidence": 0.' + b"1" * 41 + b"}", "/confidence", "40 digits"),
    (b'{"confidence": 1e-41}', "/confidence", "40 digits"),
    (b'{"confidence": 1e-999999999999}', "/confidence", "40 digits"),
    (b'{"confidence": 1e99999}', "/confidence", "40 digits"),
    (b'{"alternatives": [{}, {"confidence": 0.' + b"3" * 60 + b"}]}", "/alternatives/1/confidence", "40 digits"),
]


@pytest.mark.parametrize(("raw", "pointer", "words"), NOT_JSON)
def test_what_is_not_json_is_said_not_to_be_and_where(raw, pointer, words):
    expected = Refused if raw.startswith(b"[[") else NotJson  # Too deep is seen first.
    with pytest.raises(expected) as caught:
        parse_strict(raw, exact=EXACT)
    assert (caught.value.pointer, words in caught.value.detail) == (pointer, True), caught.value


@pytest.mark.parametrize(("raw", "pointer", "words"), REFUSED)
def test_json_that_two_readers_could_take_differently_is_refused_with_its_place_and_the_limit(raw, pointer, words):
    with pytest.raises(Refused) as caught:
        parse_strict(raw, exact=EXACT)
    assert (caught.value.pointer, words in caught.value.detail) == (pointer, True), caught.value


@pytest.mark.parametrize("raw", [raw for raw, _, _ in NOT_JSON + REFUSED])
def test_every_refusal_can_be_sent_back_as_json(raw):
    with pytest.raises(InputError) as caught:
        parse_strict(raw, exact=EXACT)
    assert len(json.dumps([caught.value.pointer, caught.value.detail], ensure_ascii=False).encode()) < 1_000


# ---- Numbers that are kept as sent ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digits",
    ["0.853044", "0.850", "1", "0", "0.1", "1e-7", "1E-2", "0.30000000000000004", "0." + "123456789" * 4 + "1234"],
)
def test_an_exact_number_comes_back_with_every_digit(digits):
    raw = f'{{"confidence": {digits}, "alternatives": [{{"confidence": {digits}}}]}}'.encode()
    read = parse_strict(raw, exact=EXACT)
    for value in (read["confidence"], read["alternatives"][0]["confidence"]):
        assert isinstance(value, Decimal)
        assert str(value) == str(Decimal(digits))


def test_numbers_elsewhere_stay_what_they_are_whatever_stands_in_the_exact_places():
    raw = b'{"confidence": 0.850, "payload": {"confidence": 0.85, "n": 12.50, "i": 3}, "alternatives": [0.5, {}]}'
    read = parse_strict(raw, exact=EXACT)
    assert read["confidence"] == Decimal("0.850")
    assert [type(value) for value in read["payload"].values()] == [float, float, int]
    assert read["alternatives"] == [0.5, {}]


@pytest.mark.parametrize("value", [b"true", b'"0.9"', b"null", b"[0.9]", b'{"confidence": 0.9}'])
def test_only_numbers_become_exact(value):
    read = parse_strict(b'{"confidence": ' + value + b"}", exact=EXACT)
    assert read["confidence"] == json.loads(value)
    assert not isinstance(read["confidence"], Decimal)


# ---- The two readings agree -----------------------------------------------------------------------------------------


@given(documents(), st.booleans())
def test_what_json_writes_is_read_back(document, ascii_only):
    raw = json.dumps(document, ensure_ascii=ascii_only).encode()
    assert parse_strict(raw) == document
    assert _CarefulReader(raw.decode(), ()).document() == document


fragments = st.sampled_from(
    [*'{}[]:,"\\ -+.eE019', "\n", '"a"', '"b":', "true", "null", "NaN", "1.5", "0.1234567890123456789", "\\u0000",
     "\\ud800", "\\udc00", "9007199254740993", '{"a":1', '"confidence":', "ä", "\x01", "\x7f", "[[", "]]"]
)  # fmt: skip


@given(st.lists(fragments, max_size=14).map("".join))
@settings(max_examples=1_500, deadline=None)
@example('{"confidence":0.5}')
def test_the_quick_reading_and_the_careful_one_judge_alike(text):
    patterns = tuple(pointer_tokens(pointer) for pointer in sorted(EXACT))

    def outcome(read):
        try:
            return repr(read())
        except InputError as error:
            return type(error), error.pointer, error.detail

    quick = outcome(lambda: parse_strict(text.encode(), exact=EXACT))
    if text.strip(" \t\r\n"):
        assert quick == outcome(lambda: _CarefulReader(text, patterns).document())


@given(st.text('{}[]",:0', max_size=60) | st.binary(max_size=40))
@settings(max_examples=500, deadline=None)
def test_whatever_python_refuses_is_refused_and_nothing_else_is_raised(raw):
    raw = raw if isinstance(raw, bytes) else raw.encode()
    try:
        read = parse_strict(raw)
    except InputError:
        return
    assert json.loads(raw) == read


# ---- A corpus -------------------------------------------------------------------------------------------------------


def cases(prefix: str) -> list[str]:
    return [name for name in CASES if name.startswith(prefix)]


@pytest.mark.parametrize("name", cases("y_"))
def test_what_is_json_is_read_as_the_standard_library_reads_it(name):
    assert parse_strict(CASES[name]) == json.loads(CASES[name])


@pytest.mark.parametrize("name", cases("n_"))
def test_what_is_no_json_is_said_to_be_none(name):
    with pytest.raises(NotJson) as refusal:
        parse_strict(CASES[name])
    assert refusal.value.detail


@pytest.mark.parametrize("name", cases("i_"))
def test_what_parsers_differ_about_is_refused(name):
    with pytest.raises(InputError) as refusal:
        parse_strict(CASES[name])
    assert refusal.value.detail


@pytest.mark.parametrize("text", NAUGHTY)
def test_a_naughty_string_is_a_string(text):
    value = {"a": text, text: "a"}
    for raw in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode()):
        assert parse_strict(raw) == value
        assert json.loads(canonical_bytes(parse_strict(raw))) == value
