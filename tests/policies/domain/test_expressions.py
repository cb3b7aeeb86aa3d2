"""What a rule may say, what it is given, and what becomes of it when it goes wrong."""

import pickle
from dataclasses import replace
from decimal import Decimal
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.expressions import (
    COMPREHENSIONS,
    FUNCTIONS,
    MAX_SOURCE,
    NAMES,
    ExpressionError,
    Scope,
    compile_rule,
)
from policies.domain.spec import Alternative
from tests.policies.domain.scene import PROPOSAL

GIVEN = replace(
    PROPOSAL,
    payload={
        **PROPOSAL.payload, "message": "Where is my Lawyer?", "lines": [1, 2, 30], "to": {"country": "DE"},
        "at": "2026-03-02T09:00:00Z", "with space": 1, "note": None, "price": 1.5,
    },
    alternatives=(Alternative("close_account", Decimal("0.068271")), Alternative("trace")),
    context={"channel": "chat"},
    requested_by="ana@example.org",
    prompt_digest="sha256:1",
)  # fmt: skip


def fires(source: str, **changes) -> bool:
    proposal = replace(GIVEN, **changes)
    return compile_rule(source).fires(Scope(proposal, amount=Decimal("12.00"), currency="EUR"))


# ---- What may be said -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "true",
        "action == 'refund_fee'",
        "action in ['refund_fee', 'close_account']",
        "amount > 10 && amount > 10.0 && currency == 'EUR'",
        "amount + 1.0 == 13.0",
        "confidence < 0.9 && confidence > 0.85",
        "payload.message.contains('Lawyer') && !payload.message.contains('lawyer')",
        "payload.message.matches('(?i)\\\\blawyer\\\\b')",
        "payload.message.matches(r'(?i)\\blawyer\\b')",
        "payload.message.startsWith('Where') && payload.message.endsWith('?')",
        "size(payload.message) > 10 && payload.lines.size() == 3",
        "payload.lines.exists(line, line > 20)",
        "payload.lines.exists_one(line, line > 20) && true",
        "payload.lines.all(line, line in [1, 2, 30])",
        "payload.lines.filter(line, line > 1).size() == 2",
        "['Lawyer', 'court'].exists(word, payload.message.contains(word))",
        "alternatives.exists(other, other.action == 'close_account' && other.confidence > 0.05)",
        "alternatives[1].confidence == null",
        "payload.to.country != 'FR' || payload.nowhere == 1",
        "has(payload.to) && !has(payload.nowhere)",
        "payload['with space'] == 1 && payload.lines[2] == 30",
        "payload.note == null",
        "payload.price == 1.5",
        "int(payload.amount.size()) == 5 && double(payload.amount) == 12.0 && string(1) == '1'",
        "timestamp(payload.at).getHours() == 9 && timestamp(payload.at) < timestamp('2027-01-01T00:00:00Z')",
        "duration('1h') < duration('90m')",
        "model.name == 'support-router' && model.version == '1.0' && model.prompt == 'sha256:1'",
        "subject.id == 'c-77' && context.channel == 'chat' && requested_by.endsWith('@example.org')",
        "payload.amount == '12.00' ? true : false",
        "\"it's // no comment { }\" != ''",
        "\n  true\n  || false\n",
        "'a\\'b' == \"a'b\"",
    ],
)
def test_rules_speak_of_the_whole_decision(source):
    assert fires(source) is True


def test_every_name_may_be_spoken_of_and_no_other():
    for name in NAMES:
        assert compile_rule(f"{name} == null").names == {name}
    assert compile_rule("payload.lines.exists(line, line == amount) || action == ''").names == {
        *("payload", "amount", "action")
    }


@pytest.mark.parametrize(
    ("source", "position", "words"),
    [
        ("", 0, "empty"),
        (" \n", 0, "empty"),
        ("true" + " " * MAX_SOURCE, MAX_SOURCE, "2,000 is the limit"),
        ("amount >", 8, "mismatched input"),
        ("\n\n  amount > > 1", 13, "extraneous input"),
        ("true && nowhere == 1", 8, "There is no nowhere"),
        ("x == 1 || payload.lines.exists(x, x == 1)", 0, "There is no x"),
        ("payload.lines.exists(x, x == 1) || x == 1", 35, "There is no x"),
        ("payload.lines.exists(x, payload.lines.exists(y, true))", 38, "One comprehension"),
        ("payload.lines.exists(x, x == 1) && payload.lines.all(x, x == 1)", 49, "One comprehension"),
        ("payload.lines.map(x, x) == []", 14, "no function map"),
        ("payload.lines.exists(amount, true)", 21, "amount is taken"),
        ("payload.lines.exists(1, true)", 21, "takes a name"),
        ("payload.lines.exists()", 21, "takes a name"),
        ("(payload.lines + payload.lines).exists(x, true)", 32, "goes over a field"),
        ("exists(payload.lines, x, true)", 0, "goes over a field"),
        ("['a', payload].exists(x, true)", 6, "A list may hold only"),
        ("payload.lines.exists(x, [payload, payload] == [])", 25, "A list may hold only"),
        ("['a', string(1)] == []", 6, "A list may hold only"),
        ("payload.message.matches(action)", 16, "Write it as"),
        ("payload.message.matches('a' + 'b')", 16, "Write it as"),
        ("matches(payload.message, 'a')", 0, "Write it as"),
        ("payload.message.matches('(a{50}){50}')", 24, "may not count"),
        ("payload.message.matches('" + "a" * 200 + "')", 24, "200 characters"),
        ("payload.lines.exists(x, x.matches('a'))", 26, "inside a comprehension"),
        ("1" + "+1" * 11 + " == 12", 21, "10 plus signs"),
        ("(" * 21 + "true" + ")" * 21, 20, "deeper than 20"),
        ("payload.lines.exists(x, " + " || ".join(["amount == 1.0"] * 11) + ")", 194, "10 names"),
        ("(true]", 5, "closes nothing"),
        ("true)", 4, "closes nothing"),
        ("(true", 5, "missing ')'"),
        ("now() > 1", 0, "no function now"),
        ("payload.message.lowerAscii() == ''", 16, "no function lowerAscii"),
        ("cel.bind(x, 1, true)", 0, "There is no cel"),
        ("type(amount) == double", 0, "no function type"),
        ("{'a': 1}.a == 1", 0, "can't stand here"),
        ("amount == 1 // quietly", 12, "can't stand here"),
        ("'a", 0, "can't stand here"),
        ("'a\n' == ''", 0, "can't stand here"),
        ("'''a''' == ''", 0, "can't stand here"),
        ("b'a' == b'a'", 0, "There is no b"),
        ("`a` == 1", 0, "can't stand here"),
        ("amount = 1", 7, "can't stand here"),
        ("true; false", 4, "can't stand here"),
        ("payload.é == 1", 8, "can't stand here"),
        ("true\x00", 4, "can't stand here"),
    ],
)
def test_what_leaves_the_leash_is_refused_with_its_position(source, position, words):
    with pytest.raises(ExpressionError) as caught:
        compile_rule(source)
    assert words in caught.value.message
    assert caught.value.position == position


CEL_WORDS = st.sampled_from(
    [*NAMES, *FUNCTIONS, *COMPREHENSIONS, "map", "x",
      "nowhere", "true", "null", "in", "'a'", '"b"', "r'\\'", "1", "1.5",
     *"+-*/%!<>=?:.,()[]{}\\'\"`\n ", "&&", "||", "==", "//", ".lines.exists(x,", ".matches('a')", "'''", "b'c'", "é"]
)  # fmt: skip


@settings(max_examples=1_500, deadline=None)
@given(st.lists(CEL_WORDS, max_size=12).map("".join) | st.text(max_size=30))
def test_whatever_is_written_compiles_or_is_refused_at_a_place_within_it(source):
    compiled, refusal = tried(lambda: compile_rule(source))
    if compiled is None:
        assert refusal.message
        assert refusal.position is None or 0 <= refusal.position <= len(source)
        return
    assert compiled.names <= NAMES
    fired, refusal = tried(lambda: compiled.fires(Scope(GIVEN, amount=Decimal(1), currency="EUR")))
    assert fired in (True, False) or refusal.message


def tried(act):
    """What `act` gave, or the error that it raised; no other may be raised."""
    try:
        return act(), None
    except ExpressionError as error:
        return None, error


# ---- What goes wrong when it runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("payload.nowhere == 1", "There is no nowhere"),
        ("payload.lines[3] == 1", ""),
        ("payload.message > 5", "No such overload"),
        ("payload.note.contains('x')", ""),
        ("amount", "neither true nor false"),
        ("payload.message", "neither true nor false"),
        ("null", "neither true nor false"),
        ("1 / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 > 0", "overflow"),
        ("int(payload.message) == 1", "invalid digit"),
        ("payload.message.matches('(')", "not a valid regex"),
        ("timestamp(payload.message) < timestamp(payload.at)", ""),
    ],
)
def test_a_rule_that_cannot_be_judged_says_so(source, words):
    with pytest.raises(ExpressionError) as caught:
        fires(source)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_an_amount_or_confidence_that_is_not_there_is_null_and_comparing_it_fails():
    scope = Scope(replace(GIVEN, confidence=None), amount=None, currency="")
    assert compile_rule("amount == null && confidence == null && currency == ''").fires(scope) is True
    with pytest.raises(ExpressionError):
        compile_rule("amount > 10.0").fires(scope)


@pytest.mark.parametrize(
    ("big", "words"),
    [
        ([0] * 201, "201 entries; 200"),
        ({str(number): 0 for number in range(201)}, "201 entries; 200"),
        ("x" * 10_001, "10,000 bytes"),
        ("é" * 5_001, "10,000 bytes"),
        ({"x" * 10_001: 1}, "10,000 bytes"),
        ({"deep": [{"er": "x" * 10_001}]}, "payload.big.deep.er"),
        (float("nan"), "finite"),
        (2**53, "±9,007,199,254,740,991"),
        (b"bytes", "bytes"),
    ],
)
def test_what_is_too_big_to_be_given_to_a_rule_fails_the_rules_that_speak_of_it_and_no_other(big, words):
    payload = {**GIVEN.payload, "big": big}
    with pytest.raises(ExpressionError, match="payload") as caught:
        fires("payload.amount == '12.00'", payload=payload)
    assert words in caught.value.message
    assert fires("action == 'refund_fee'", payload=payload) is True


def test_what_stands_just_within_the_limits_is_given():
    payload = {"lines": [0] * 200, "text": "é" * 5_000, "n": 2**53 - 1}
    assert fires("payload.lines.all(line, line == 0) && size(payload.text) > 0 && payload.n > 0", payload=payload)


def test_depth_is_limited():
    deep: object = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(ExpressionError, match="deeper than 32"):
        fires("payload.amount == '12.00'", payload={**GIVEN.payload, "deep": deep})


def test_a_confidence_is_never_rounded_across_a_rules_limit():
    assert fires("confidence < 0.85", confidence=Decimal("0.849999999999")) is True
    with pytest.raises(ExpressionError, match="more digits"):
        fires("confidence < 0.85", confidence=Decimal("0.84999999999999999999999999"))


def test_a_policy_with_rules_travels_between_processes_though_programs_do_not():
    with pytest.raises(TypeError):
        pickle.dumps(compile_rule("true"))
    assert compile_rule("true") is compile_rule("true"), "Compiled once."


# ---- The worst that can be written ----------------------------------------------------------------------------------

FULL = {"lines": list(range(200)), "text": "a" * 10_000, "texts": ["a" * 5_000] * 200}
WORST = [
    "payload.lines.exists(x, " + " || ".join(["payload == context"] * 5) + ")",
    "[" + ",".join("1" * 900) + "].exists(x, payload.text.contains('b'))",
    "[" + ",".join("1" * 700) + "].exists(x, " + " || ".join(["payload.text.contains('b')"] * 10) + ")",
    "payload.texts.filter(x, x.contains('a')).size() == 0",
    "payload.texts.filter(x, x + x + x + x + x + x + x + x + x + x == '').size() > 0",
    "payload.texts.exists(x, " + " || ".join(["x == payload.text"] * 10) + ")",
    " || ".join(["payload.text.matches('(a+)+b')"] * 50),
    "payload.text.matches('" + r"\\w" * 60 + "b')",
    "payload.lines" + " + payload.lines" * 10 + " == []",
    "payload.text" + " + payload.text" * 10 + " == ''",
    "!" * 1_990 + "true",
    "1 == 1" + " && 1 == 1" * 180,
]


@pytest.mark.parametrize("source", WORST, ids=[source[:40] for source in WORST])
def test_the_worst_that_can_be_written_ends_soon(source):
    compiled = compile_rule(source)
    before = process_time()
    tried(lambda: compiled.fires(Scope(replace(GIVEN, payload=FULL, context=FULL), amount=None, currency="")))
    assert process_time() - before < 5, "Without the leash such rules took minutes, or all memory."
