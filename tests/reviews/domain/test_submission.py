"""Reading a submission: what is taken, and that every refusal names its field and the limit that it passes."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.canonical import sha256_hex
from policies.domain.spec import Alternative
from policies.domain.strict_json import NotJson, Refused
from reviews.domain.submission import (
    MAX_ACTION,
    MAX_ALTERNATIVES,
    MAX_EXTERNAL_ID,
    MAX_REASONING,
    InvalidSubmission,
    parse_submission,
)

LEAST = {
    "external_id": "refund-1",
    "workflow": "support",
    "action": "refund_fee",
    "payload": {},
    "model": {"name": "router", "version": "1"},
}
WHOLE = {
    **LEAST,
    "subject": {"type": "customer", "id": "c-77", "label": "Customer 77", "url": "https://crm.example/c-77"},
    "payload": {"amount": "12.00", "currency": "EUR"},
    "confidence": 0.853044,
    "alternatives": [{"action": "trace", "confidence": 0.068271}, {"action": "explain", "confidence": None}],
    "reasoning": "They ask.",
    "context": {"channel": "chat"},
    "model": {"name": "router", "version": "1", "prompt": "sha256:00"},
    "requested_by": "ana@example.org",
    "deadline": "2026-12-01T12:00:00Z",
    "run": {"id": "r", "call_id": "c", "state": {"step": 2}},
}


def read(document):
    return parse_submission(json.dumps(document).encode())


def faults_of(document):
    with pytest.raises(InvalidSubmission) as caught:
        read(document)
    return dict(caught.value.errors)


def test_the_least_that_is_taken():
    submission = read(LEAST)
    assert submission.external_id == "refund-1"
    assert submission.proposal.confidence is None
    assert (submission.reasoning, submission.deadline, submission.run) == ("", None, None)


def test_the_whole_is_taken_as_it_is():
    submission = read(WHOLE)
    proposal = submission.proposal
    assert (proposal.workflow, proposal.action, proposal.payload) == ("support", "refund_fee", WHOLE["payload"])
    assert proposal.subject == WHOLE["subject"]
    assert proposal.confidence == Decimal("0.853044")
    assert proposal.alternatives == (Alternative("trace", Decimal("0.068271")), Alternative("explain", None))
    assert (proposal.model_name, proposal.model_version, proposal.prompt_digest) == ("router", "1", "sha256:00")
    assert proposal.requested_by == "ana@example.org"
    assert submission.deadline == datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert submission.run == WHOLE["run"]


@pytest.mark.parametrize("name", ["external_id", "workflow", "action", "payload", "model"])
def test_what_is_required_is_missed(name):
    assert faults_of({**WHOLE, name: None}).keys() == {f"/{name}"}
    assert faults_of({key: value for key, value in WHOLE.items() if key != name}).keys() == {f"/{name}"}


@pytest.mark.parametrize("name", ["subject", "confidence", "alternatives", "reasoning", "context", "run", "deadline"])
def test_what_may_be_left_out_may_be_null(name):
    assert read({**WHOLE, name: None})


@pytest.mark.parametrize(
    ("change", "pointer", "named"),
    [
        ({"external_id": ""}, "/external_id", "1 to 255"),
        ({"external_id": "x" * (MAX_EXTERNAL_ID + 1)}, "/external_id", "1 to 255"),
        ({"external_id": 7}, "/external_id", "1 to 255"),
        ({"action": "x" * (MAX_ACTION + 1)}, "/action", "1 to 80"),
        ({"reasoning": "x" * (MAX_REASONING + 1)}, "/reasoning", "0 to 100,000"),
        ({"reasoning": []}, "/reasoning", "0 to 100,000"),
        ({"payload": []}, "/payload", "object"),
        ({"context": "chat"}, "/context", "object"),
        ({"confidence": "0.9"}, "/confidence", "[0, 1]"),
        ({"confidence": True}, "/confidence", "[0, 1]"),
        ({"confidence": 1.0000001}, "/confidence", "[0, 1]"),
        ({"confidence": -0.1}, "/confidence", "[0, 1]"),
        ({"alternatives": {}}, "/alternatives", "at most 100"),
        ({"alternatives": [{"action": "a"}] * (MAX_ALTERNATIVES + 1)}, "/alternatives", "at most 100"),
        ({"alternatives": [{"action": "a", "confidence": 2}]}, "/alternatives/0/confidence", "[0, 1]"),
        ({"alternatives": [{"action": "a"}, "b"]}, "/alternatives/1", "object"),
        ({"alternatives": [{"action": ""}]}, "/alternatives/0/action", "1 to 80"),
        ({"subject": "c-77"}, "/subject", "object"),
        ({"subject": {"type": "customer"}}, "/subject/id", "1 to 255"),
        ({"subject": {"type": "t", "id": "i", "url": "javascript:alert(1)"}}, "/subject/url", "https://"),
        ({"model": {"name": "router"}}, "/model/version", "1 to 120"),
        ({"deadline": "tomorrow"}, "/deadline", "RFC 3339"),
        ({"deadline": "2026-02-30T00:00:00Z"}, "/deadline", "RFC 3339"),
        ({"deadline": "2026-12-01T12:00:00"}, "/deadline", "RFC 3339"),
        ({"deadline": 1764590400}, "/deadline", "RFC 3339"),
        ({"run": {"id": 5}}, "/run/id", "0 to 255"),
        ({"surprise": 1}, "/surprise", "external_id"),
        ({"model": {"name": "r", "version": "1", "temperature": 0}}, "/model/temperature", "prompt"),
        ({"subject": {"type": "t", "id": "i", "vip~/": 1}}, "/subject/vip~0~1", "label"),
    ],
)
def test_a_refusal_names_the_field_and_its_limit(change, pointer, named):
    faults = faults_of({**WHOLE, **change})
    assert faults.keys() == {pointer}
    assert named in faults[pointer]


def test_all_faults_are_told_at_once():
    assert faults_of({"confidence": "high", "extra": 1}).keys() == {
        "/confidence",
        "/extra",
        "/external_id",
        "/workflow",
        "/action",
        "/payload",
        "/model",
    }


def test_what_is_no_object_is_no_decision():
    assert faults_of([WHOLE]) == {"": "A decision is an object."}


@pytest.mark.parametrize("digits", ["0.1234567890123456789012345678901234567890", "1E-7", "0.50", "1", "0"])
def test_a_confidence_is_kept_with_every_digit_that_was_sent(digits):
    raw = json.dumps(WHOLE).replace("0.853044", digits).encode()
    confidence = parse_submission(raw).proposal.confidence
    assert confidence == Decimal(digits)
    assert confidence.as_tuple() == Decimal(digits).as_tuple()


def test_a_confidence_of_more_than_forty_digits_is_refused_with_its_place():
    raw = json.dumps(WHOLE).replace("0.068271", "0." + "1" * 41).encode()
    with pytest.raises(Refused, match="40") as caught:
        parse_submission(raw)
    assert caught.value.pointer == "/alternatives/0/confidence"


# --- The fingerprint --------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_of_the_canonical_request():
    submission = read(LEAST)
    assert submission.content == (
        b'{"action":"refund_fee","external_id":"refund-1","model":{"name":"router","version":"1"},"payload":{},'
        b'"workflow":"support"}'
    )
    assert submission.fingerprint == sha256_hex(submission.content)


def test_neither_order_nor_blanks_nor_the_writing_of_a_number_make_another_request():
    raw = json.dumps(WHOLE)
    turned = json.dumps(dict(reversed(WHOLE.items())), indent=2).replace("0.853044", "8.53044e-1")
    assert parse_submission(raw.encode()).fingerprint == parse_submission(turned.encode()).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": 0.8530440000000001},
        {"alternatives": [{"action": "trace", "confidence": 0.0682710001}]},
        {"reasoning": "They ask. "},
        {"run": {"id": "r", "call_id": "c", "state": {"step": 3}}},
        {"subject": {"type": "customer", "id": "c-78"}},
    ],
)
def test_any_other_value_makes_another_request(change):
    assert read({**WHOLE, **change}).fingerprint != read(WHOLE).fingerprint


# --- Anything at all --------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refusal_of(raw):
    """What `raw` is refused with; None when it is taken."""
    try:
        parse_submission(raw)
    except (NotJson, Refused) as refusal:
        return refusal
    return None


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), json_values))
def test_whatever_the_fields_hold_it_is_read_or_refused_with_a_place(changes):
    refusal = refusal_of(json.dumps({**WHOLE, **changes}).encode())
    assert refusal is None or (refusal.detail and refusal.pointer.startswith("/"))


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_they_are_refused_as_input(raw):
    assert refusal_of(raw)
