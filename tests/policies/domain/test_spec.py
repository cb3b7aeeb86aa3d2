"""Policies, facts and reasons, to their documents and back."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.canonical import canonical_bytes
from policies.domain.documents import added_later, plain, read_fields
from policies.domain.spec import (
    ActionSpec,
    Facts,
    Policy,
    Reason,
    RuleSpec,
    SpecError,
    ThresholdSpec,
    digest_of,
    plain_decimal,
    plain_moment,
    to_document,
)
from policies.domain.strict_json import parse_strict
from policies.domain.vocabulary import ReasonCode
from tests.policies.domain.generated import NOW
from tests.policies.domain.scene import CLOSE, REFUND, ROW, row

DOCUMENT = to_document(
    workflow="support",
    actions=[replace(REFUND, payload_schema={"type": "object"}, layout={"/message": "message"}), CLOSE],
    thresholds=[row(basis_holds_until=NOW), ThresholdSpec()],
    rules=[RuleSpec(0, "amount > 20.0", "A large sum.", "Whose is it?", "Fraud", 2)],
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
shares = st.none() | st.decimals(0, 1, places=6)
amounts = st.none() | st.decimals(0, 10**12, places=4)
counts = st.none() | st.integers(0, 10**6)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=offsets)  # noqa: DTZ001
actions = st.builds(
    ActionSpec,
    key=texts,
    title=texts,
    what=texts,
    reversibility=st.sampled_from(["read_only", "reversible", "externally_reversible", "irreversible"]),
    payload_schema=st.none() | st.dictionaries(texts, st.integers(-9, 9) | st.floats(-9, 9) | texts, max_size=3),
    editable=st.lists(texts, max_size=3).map(tuple),
    layout=st.dictionaries(texts, st.sampled_from(["text", "money"]), max_size=2),
    allowed_verdicts=st.just(("approve", "reject")),
    hold_seconds=st.integers(0, 3600),
    active=st.booleans(),
    ask=texts,
)
rows = st.builds(
    ThresholdSpec,
    action=texts,
    model_name=texts,
    model_version=texts,
    autonomy=st.sampled_from(["never", "by_confidence", "withdrawn"]),
    least_confidence=shares,
    largest_amount=amounts,
    currency=texts,
    verdicts_needed=st.integers(1, 3),
    audit_rate=st.decimals(0, 1, places=4),
    deliberate_acts=st.integers(1, 2),
    separation=st.booleans(),
    daily_count=counts,
    daily_amount=amounts,
    subject_daily_count=counts,
    subject_daily_amount=amounts,
    alpha=shares,
    delta=shares,
    certificate_id=texts,
    certificate_digest=texts,
    basis_reason=texts,
    basis_holds_until=st.none() | moments,
)
rules = st.builds(
    RuleSpec, st.integers(0, 99), texts, sentence=texts, ask=texts, group=texts, verdicts_needed=st.integers(1, 3)
)


# ---- Policies -------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    texts,
    st.lists(actions, max_size=3, unique_by=lambda action: action.key),
    st.lists(rows, max_size=4, unique_by=lambda row: row.key),
    st.lists(rules, max_size=3, unique_by=lambda rule: rule.position),
    st.randoms(use_true_random=False),
)
def test_a_policy_reads_back_to_the_same_in_whatever_order_its_parts_were_given(workflow, acts, thresholds, rs, random):
    document = to_document(workflow=workflow, actions=acts, thresholds=thresholds, rules=rs)
    for parts in (acts, thresholds, rs):
        random.shuffle(parts)
    assert to_document(workflow=workflow, actions=acts, thresholds=thresholds, rules=rs) == document

    written = canonical_bytes(document)
    policy = Policy.from_canonical(parse_strict(written), digest_of(document), number=7)
    assert canonical_bytes(policy.to_document()) == written
    assert dict(policy.actions) == {action.key: action for action in acts}
    assert sorted(policy.thresholds, key=lambda row: row.key) == sorted(thresholds, key=lambda row: row.key)
    in_order = sorted(rs, key=lambda rule: rule.position)
    assert policy.rules == tuple(replace(rule, position=at) for at, rule in enumerate(in_order))


def test_a_document_is_plain_json_with_exact_figures():
    refund, default = DOCUMENT["actions"]["refund_fee"], DOCUMENT["thresholds"][0]
    assert parse_strict(canonical_bytes(DOCUMENT)) == DOCUMENT
    assert (refund["payload_schema"], refund["allowed_verdicts"][0]) == ({"type": "object"}, "approve")
    assert DOCUMENT["thresholds"][1]["least_confidence"] == "0.85"
    assert DOCUMENT["thresholds"][1]["largest_amount"] == "50"
    assert DOCUMENT["thresholds"][1]["basis_holds_until"] == "2026-03-02T09:00:00Z"
    assert (default["action"], default["least_confidence"], default["audit_rate"]) == ("", None, "0")
    assert "position" not in DOCUMENT["rules"][0]


def test_the_digest_is_the_content_and_not_the_number():
    digest = digest_of(DOCUMENT)
    assert digest.startswith("sha256:")
    assert len(digest) == 71
    copied = Policy.from_canonical(DOCUMENT, digest, number=8)
    assert digest_of(copied.to_document()) == digest
    changed = copy.deepcopy(DOCUMENT)
    changed["thresholds"][1]["least_confidence"] = "0.850001"
    assert digest_of(changed) != digest


def test_figures_that_are_equal_have_one_digest():
    assert digest_of(to_document(workflow="w", actions=[], thresholds=[row(least_confidence=Decimal("0.85"))])) == (
        digest_of(to_document(workflow="w", actions=[], thresholds=[row(least_confidence=Decimal("0.850000"))]))
    )


def test_policies_serve_as_keys_and_travel_between_processes():
    policy = Policy.from_canonical(DOCUMENT, "sha256:1", number=7)
    assert {policy: 1}[Policy.from_canonical(DOCUMENT, "sha256:1", number=7)] == 1
    assert policy != Policy.from_canonical(DOCUMENT, "sha256:1", number=8)
    assert pickle.loads(pickle.dumps(policy)).to_document() == DOCUMENT
    with pytest.raises(FrozenInstanceError):
        policy.number = 9


WRONG_DOCUMENTS = [
    (lambda d: d.pop("rules"), "/rules", "missing"),
    (lambda d: d.update(number=7), "/number", "No such field"),
    (lambda d: d.pop("format"), "/format", "missing"),
    (lambda d: d.update(format=2), "/format", "This is a policy of format 2; format 1 is read here."),
    (lambda d: d.update(workflow=None), "/workflow", "Text"),
    (lambda d: d.update(actions=[]), "/actions", "object"),
    (lambda d: d.update(thresholds={}), "/thresholds", "list"),
    (lambda d: d["actions"].update({"a/b": 3}), "/actions/a~1b", "object"),
    (lambda d: d["actions"]["refund_fee"].pop("ask"), "/actions/refund_fee/ask", "missing"),
    (lambda d: d["actions"]["refund_fee"].update(key="x"), "/actions/refund_fee/key", "No such field"),
    (lambda d: d["actions"]["refund_fee"].update(reversibility="somehow"), "/actions/refund_fee/reversibility", "One"),
    (lambda d: d["actions"]["refund_fee"].update(active=1), "/actions/refund_fee/active", "true or false"),
    (lambda d: d["actions"]["refund_fee"].update(hold_seconds=-1), "/actions/refund_fee/hold_seconds", "negative"),
    (lambda d: d["actions"]["refund_fee"].update(hold_seconds=True), "/actions/refund_fee/hold_seconds", "whole"),
    (lambda d: d["actions"]["refund_fee"].update(editable="/a"), "/actions/refund_fee/editable", "list of texts"),
    (lambda d: d["actions"]["refund_fee"].update(editable=[1]), "/actions/refund_fee/editable", "Text"),
    (lambda d: d["thresholds"].append(d["thresholds"][0]), "/thresholds", "Two rows"),
    (lambda d: d["thresholds"].append(None), "/thresholds/2", "object"),
    (lambda d: d["thresholds"][1].update(autonomy="always"), "/thresholds/1/autonomy", "One of never"),
    (lambda d: d["thresholds"][1].update(least_confidence=0.85), "/thresholds/1/least_confidence", "decimal number"),
    (lambda d: d["thresholds"][1].update(least_confidence="NaN"), "/thresholds/1/least_confidence", "decimal number"),
    (lambda d: d["thresholds"][1].update(audit_rate="-1"), "/thresholds/1/audit_rate", "decimal number"),
    (lambda d: d["thresholds"][1].update(audit_rate="1e-2"), "/thresholds/1/audit_rate", "decimal number"),
    (lambda d: d["thresholds"][1].update(audit_rate="٠.٥"), "/thresholds/1/audit_rate", "decimal number"),
    (lambda d: d["thresholds"][1].update(audit_rate=None), "/thresholds/1/audit_rate", "decimal number"),
    (lambda d: d["thresholds"][1].update(separation=None), "/thresholds/1/separation", "true or false"),
    (lambda d: d["thresholds"][1].update(daily_count="5"), "/thresholds/1/daily_count", "whole"),
    (lambda d: d["thresholds"][1].update(basis_holds_until="tomorrow"), "/thresholds/1/basis_holds_until", ""),
    (lambda d: d["thresholds"][1].update(basis_holds_until="2026-03-02T09:00:00"), "/thresholds/1/basis_holds_until",
     "time zone"),
    (lambda d: d["rules"][0].update(position=0), "/rules/0/position", "No such field"),
    (lambda d: d["rules"][0].update(expression=None), "/rules/0/expression", "Text"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "pointer", "words"), WRONG_DOCUMENTS)
def test_a_document_that_is_no_policy_is_refused_with_the_place(spoil, pointer, words):
    document = copy.deepcopy(DOCUMENT)
    spoil(document)
    with pytest.raises(SpecError) as caught:
        Policy.from_canonical(document, "sha256:0", number=1)
    assert (caught.value.pointer, words in caught.value.detail) == (pointer, True), caught.value


# ---- Documents from before a field was added ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was."""

    action: str
    least: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RowSince(Row):
    """The same, once rows say who is told; before, nobody was."""

    tells: str = added_later("")
    days: int = added_later(30)


def test_a_field_that_is_added_later_leaves_older_documents_readable_and_as_they_are():
    written = plain(Row("refund_fee", Decimal("0.85")))
    read = RowSince(**read_fields(RowSince, written))
    assert read == RowSince("refund_fee", Decimal("0.85"), "", 30)
    assert canonical_bytes(plain(read)) == canonical_bytes(written)


def test_a_field_that_is_added_later_is_written_where_it_says_something():
    row = RowSince("refund_fee", tells="leads", days=7)
    assert plain(row) == {"action": "refund_fee", "least": None, "tells": "leads", "days": 7}
    assert RowSince(**read_fields(RowSince, plain(row))) == row
    with pytest.raises(SpecError, match=r"No such field. \(at /tells\)"):
        read_fields(Row, {"action": "refund_fee", "least": None, "tells": "leads"})


def test_one_policy_has_one_document_so_a_default_that_is_left_out_may_not_stand_there():
    with pytest.raises(SpecError, match=r"This is the default, which is left out. \(at /x/days\)"):
        read_fields(RowSince, {"action": "refund_fee", "least": None, "days": 30}, "/x")


def test_what_was_pinned_by_the_first_release_is_read_and_keeps_its_digest():
    """If this fails, what is live somewhere can't be read any more: declare the new field with `added_later`."""
    document = parse_strict((Path(__file__).parent / "pinned_format_1.json").read_bytes())
    digest = "sha256:6249f4509b47e5a8f6bf638a02ca5e66a5a8c20e7eed562c2e99eadbdb2e400e"
    assert digest_of(document) == digest
    assert digest_of(Policy.from_canonical(document, digest, number=1).to_document()) == digest


# ---- Facts and reasons ----------------------------------------------------------------------------------------------

facts = st.builds(
    Facts,
    now=moments,
    paused=st.sampled_from(["", "workflow", "everything"]),
    live_versions=st.integers(0, 3),
    evidence_assessed_at=st.none() | moments,
    requester_matched=st.booleans(),
    budget_spent=st.lists(st.sampled_from(["day", "subject"]), max_size=2).map(tuple),
)


@settings(deadline=None)
@given(facts)
def test_facts_read_back_to_the_same(facts):
    stored = parse_strict(canonical_bytes(facts.to_json()))
    assert Facts.from_json(stored) == facts
    assert Facts.from_json(stored).to_json() == stored


@pytest.mark.parametrize(
    "spoil",
    [
        {"now": None},
        {"now": "2026-03-02T09:00:00"},
        {"live_versions": "1"},
        {"live_versions": True},
        {"budget_spent": "day"},
        {"requester_matched": "yes"},
        {"else": 1},
    ],
)
def test_facts_of_another_shape_are_refused(spoil):
    with pytest.raises(SpecError):
        Facts.from_json({**Facts(now=NOW).to_json(), **spoil})


@given(st.builds(Reason, st.sampled_from(ReasonCode), *[texts] * 6))
def test_reasons_read_back_to_the_same(reason):
    assert Reason.from_json(parse_strict(canonical_bytes(reason.to_json()))) == reason


def test_a_reason_of_an_unknown_code_is_refused():
    with pytest.raises(SpecError, match="One of low_confidence"):
        Reason.from_json({**Reason(ReasonCode.RULE, "m").to_json(), "code": "whim"})


# ---- Figures --------------------------------------------------------------------------------------------------------


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_one_number_is_written_in_one_way(value):
    written = plain_decimal(value)
    assert Decimal(written) == value
    assert "e" not in written.lower()
    assert written == plain_decimal(Decimal(written))
    assert not ("." in written and written.endswith(("0", ".")))


@given(moments)
def test_a_moment_is_written_in_utc_to_the_microsecond(moment):
    written = plain_moment(moment)
    assert written.endswith("Z")
    assert datetime.fromisoformat(written) == moment


def test_a_moment_without_its_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        plain_moment(datetime(2026, 3, 2))  # noqa: DTZ001 - that is what is wrong


def test_moments_of_any_zone_make_one_document():
    there = NOW.astimezone(timezone(timedelta(hours=-8)))
    documents = [
        to_document(workflow="w", actions=[], thresholds=[replace(ROW, basis_holds_until=each)])
        for each in (NOW, there)
    ]
    assert documents[0] == documents[1]
