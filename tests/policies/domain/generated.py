"""Policies and decisions as hypothesis makes them: mostly sound, so that a good part runs alone, and often just not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from policies.domain.spec import ActionSpec, Alternative, Facts, Policy, Proposal, RuleSpec, ThresholdSpec
from policies.domain.vocabulary import Autonomy

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

ACTIONS = {
    action.key: action
    for action in (
        ActionSpec(key="refund", title="Refund a fee", what="", reversibility="reversible"),
        ActionSpec(key="look", title="Look it up", what="", reversibility="read_only", ask="Is that what was meant?"),
        ActionSpec(
            key="transfer",
            title="Transfer money",
            what="",
            reversibility="externally_reversible",
            amount_pointer="/total/value",
            currency_pointer="/total/unit",
        ),
        ActionSpec(key="close", title="Close the account", what="", reversibility="irreversible"),
        ActionSpec(key="old", title="Old ways", what="", reversibility="reversible", active=False),
        ActionSpec(key="odd", title="Odd", what="", reversibility="somehow"),
    )
}

RULES = (
    "amount > 20.0",
    "payload.message.contains('lawyer')",
    "has(payload.note) && payload.note == 'x'",
    "confidence != null && confidence < 0.95",
    "model.version == '2'",
    "alternatives.exists(other, other.action == 'close')",
    "payload.lines.exists(line, line > 3)",
    "subject.id == 'c-2'",
    "currency == 'USD' || requested_by == 'ana@example.org'",
    "true",
    "false",
    "payload.message",
    "payload.message.map(x, x)",
    "1 +",
)


def often(*sound: Any, rarely: tuple[Any, ...] = (), weight: int = 6) -> st.SearchStrategy[Any]:
    """One of `sound`, and one of `rarely` now and then."""
    return st.sampled_from(sound * max(1, weight * len(rarely) // len(sound)) + rarely)


def money(*amounts: str) -> st.SearchStrategy[Decimal | None]:
    return often(None, rarely=tuple(map(Decimal, amounts)), weight=2)


rows = st.builds(
    ThresholdSpec,
    action=st.sampled_from(["", "", "", "", "refund", "refund", "look", "transfer", "close", "old", "ghost"]),
    autonomy=often(Autonomy.BY_CONFIDENCE, rarely=(Autonomy.NEVER, Autonomy.WITHDRAWN), weight=5),
    least_confidence=often(Decimal("0.85"), Decimal("0.5"), rarely=(Decimal(1), Decimal("0.850001")), weight=2),
    largest_amount=money("0", "12.00", "50", "12.001"),
    currency=often("EUR", rarely=("USD",)),
    verdicts_needed=often(1, rarely=(2, 3), weight=2),
    audit_rate=often(Decimal("0.02"), Decimal(1), Decimal("0.5"), rarely=(Decimal(0),), weight=4),
    deliberate_acts=often(1, rarely=(2,), weight=2),
    separation=st.booleans(),
    daily_count=often(None, 100, 1, rarely=(0,), weight=12),
    daily_amount=often(None, None, None, Decimal(5000), rarely=(Decimal("11.99"),), weight=12),
    subject_daily_count=often(None, 3, rarely=(0,), weight=12),
    subject_daily_amount=often(None, None, None, Decimal(500), rarely=(Decimal(12),), weight=12),
    certificate_id=often("", rarely=("c-1",), weight=1),
    basis_reason=often("Watched for a year.", rarely=("", " ")),
    basis_holds_until=often(None, NOW + timedelta(days=9), rarely=(NOW, NOW - timedelta(microseconds=1))),
)
models = often(("", ""), rarely=(("bot", ""), ("bot", "1"), ("bot", "2"), ("other", "1")), weight=3)
rules = st.builds(
    RuleSpec,
    position=st.just(0),
    expression=often("false", rarely=RULES, weight=3),
    sentence=st.just("Something to look at."),
    ask=st.sampled_from(["", "Did you look?"]),
    group=st.sampled_from(["", "Legal", "Fraud"]),
    verdicts_needed=st.sampled_from([1, 1, 2, 3]),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    named = {}
    for unnamed in draw(st.lists(rows, min_size=2, max_size=5)):
        name, version = draw(models)
        row = replace(unnamed, model_name=name, model_version=version)
        named[row.key] = row
    ordered = [replace(rule, position=at) for at, rule in enumerate(draw(st.lists(rules, max_size=2)))]
    return Policy("support", 7, "sha256:0", ACTIONS, tuple(named.values()), tuple(ordered))


amounts = often(
    "12.00", "12", 12, 12.0, "60.00", "0",
    rarely=(None, 0, "12.01", 50.5, -1, "-12.00", -0.0, True, "1e1", "012", " 12", "１２", "12,00", "", [], {},
            float("nan"), float("inf"), "9" * 41, 9007199254740991, "NaN"),
    weight=2,
)  # fmt: skip
currencies = often("EUR", rarely=("USD", "eur", "", None, 978, "E" * 17))


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, Any]:
    amount, currency = draw(amounts), draw(currencies)
    payload: dict[str, Any] = {"amount": amount, "currency": currency, "total": {"value": amount, "unit": currency}}
    payload |= draw(st.sampled_from([{"message": "hello"}, {"message": "my lawyer"}, {}, {"message": 3}]))
    payload |= draw(st.sampled_from([{}, {}, {"note": "x"}, {"note": "y"}]))
    payload |= draw(st.sampled_from([{"lines": [1, 2]}, {"lines": [1, 9]}, {"lines": []}, {"lines": [0] * 201}, {}]))
    for absent in draw(often((), rarely=(("amount",), ("currency", "total")))):
        payload.pop(absent)
    return payload


proposals = st.builds(
    Proposal,
    workflow=st.just("support"),
    action=often("refund", "refund", "look", "transfer", rarely=("close", "old", "odd", "ghost", "never-heard-of")),
    payload=payloads(),
    subject=often({"type": "customer", "id": "c-1"}, {"type": "customer", "id": "c-2"}, rarely=({}, {"id": ""})),
    confidence=often(
        Decimal("0.9"), Decimal("0.853044"), Decimal(1), Decimal("0.99999999999999999999"),
        rarely=(None, Decimal("0.85"), Decimal("0.84999999999999999999"), Decimal(0), Decimal("NaN"), Decimal("sNaN"),
                Decimal("Infinity"), Decimal("1.01"), Decimal("-0.1"), True, 0.9, "0.9"),
        weight=2,
    ),
    alternatives=st.sampled_from([(), (Alternative("close", Decimal("0.1")),), (Alternative("look"),)]),
    model_name=often("bot", rarely=("other", "")),
    model_version=often("1", rarely=("2", "")),
    requested_by=st.sampled_from(["", "ana@example.org", "ben@example.org"]),
)  # fmt: skip
facts = st.builds(
    Facts,
    now=st.just(NOW),
    paused=often("", rarely=("workflow", "everything"), weight=20),
    live_versions=often(1, rarely=(0, 2), weight=20),
    evidence_assessed_at=often(
        NOW,
        NOW - timedelta(minutes=10),
        NOW + timedelta(minutes=2),
        rarely=(None, NOW - timedelta(minutes=10, microseconds=1), NOW - timedelta(days=2), NOW + timedelta(hours=1)),
        weight=4,
    ),
    requester_matched=st.booleans(),
    budget_spent=often((), rarely=(("day",), ("subject",), ("day", "subject")), weight=20),
)
draws = st.sampled_from([Decimal(0), Decimal("0.019999"), Decimal("0.02"), Decimal("0.7"), Decimal("0.999999")])
