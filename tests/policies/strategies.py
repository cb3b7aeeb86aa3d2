"""Policies, proposals and JSON for hypothesis: few names and round figures, so that they meet often."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from hypothesis import strategies as st

from policies.domain.spec import ActionSpec, Facts, Policy, Proposal, RuleSpec, ThresholdSpec, digest_of, to_document
from policies.domain.strict_json import MAX_NUMBER
from policies.domain.vocabulary import Autonomy, Reversibility

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FACTS = Facts(now=NOW, evidence_assessed_at=NOW, requester_matched=True)
ACTIONS = ("refund_fee", "close_account", "send_letter")
MODELS = (("", ""), ("router", ""), ("router", "1.0"), ("router", "2.0"), ("other", ""))
FIGURES = st.sampled_from([Decimal(n) / 10 for n in range(1, 11)])
AMOUNTS = st.sampled_from([Decimal(n) for n in (0, 5, 10, 20, 50)])


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.none() | values


def actions() -> st.SearchStrategy[ActionSpec]:
    return st.builds(
        ActionSpec,
        key=st.sampled_from(ACTIONS),
        title=st.just("Do it"),
        what=st.just(""),
        reversibility=st.sampled_from([Reversibility.REVERSIBLE] * 4 + [Reversibility.IRREVERSIBLE]),
        amount_pointer=st.sampled_from(["/amount"] * 4 + ["/sum", ""]),
        active=st.sampled_from([True, True, True, False]),
        hold_seconds=st.sampled_from([0, 5]),
    )


@st.composite
def rows(draw: st.DrawFn) -> ThresholdSpec:
    model_name, model_version = draw(st.sampled_from(MODELS))
    alone = draw(st.sampled_from([Autonomy.BY_CONFIDENCE] * 4 + [Autonomy.NEVER, Autonomy.WITHDRAWN]))
    return ThresholdSpec(
        action=draw(st.sampled_from(["", *ACTIONS])),
        model_name=model_name,
        model_version=model_version,
        autonomy=alone,
        least_confidence=draw(FIGURES),
        largest_amount=draw(maybe(AMOUNTS)),
        currency=draw(st.sampled_from(["EUR", "EUR", "EUR", "USD"])),
        verdicts_needed=draw(st.integers(1, 3)),
        audit_rate=draw(st.sampled_from([Decimal("0.02"), Decimal("0.5"), Decimal(1)])),
        deliberate_acts=draw(st.integers(1, 2)),
        separation=draw(st.booleans()),
        daily_count=draw(maybe(st.sampled_from([0, 1, 100]))),
        daily_amount=draw(maybe(AMOUNTS)),
        subject_daily_count=draw(maybe(st.sampled_from([0, 1]))),
        subject_daily_amount=draw(maybe(AMOUNTS)),
        basis_reason=draw(st.sampled_from(["Watched.", "Watched longer."])),
        basis_holds_until=draw(maybe(st.sampled_from([NOW - timedelta(days=1), NOW + timedelta(days=1)]))),
    )


def rules() -> st.SearchStrategy[RuleSpec]:
    return st.builds(
        RuleSpec,
        position=st.just(0),
        expression=st.sampled_from(
            ["confidence < 0.7", "amount > 9.0", 'context.channel == "chat"', "confidence < 0.1"]
        ),
        sentence=st.sampled_from(["Odd.", "Large."]),
        group=st.sampled_from(["", "Support"]),
        verdicts_needed=st.integers(1, 3),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    listed = draw(st.lists(rules(), max_size=2))
    document = to_document(
        workflow="support",
        actions=draw(st.lists(actions(), min_size=1, max_size=3, unique_by=lambda action: action.key)),
        thresholds=draw(st.lists(rows(), max_size=4, unique_by=lambda row: row.key)),
        rules=[
            RuleSpec(at, r.expression, r.sentence, r.ask, r.group, r.verdicts_needed) for at, r in enumerate(listed)
        ],
    )
    return Policy.from_canonical(document, digest_of(document), number=1)


EVERY_PROPOSAL = tuple(
    Proposal(
        workflow="support",
        action=action,
        payload={"amount": amount, "sum": "30", "currency": currency},
        subject={"type": "customer", "id": "c-1"},
        confidence=confidence,
        context={"channel": channel},
        model_name=model[0],
        model_version=model[1],
    )
    for action, model, confidence, (amount, currency), channel in product(
        ACTIONS,
        (("router", "1.0"), ("router", "2.0"), ("other", "1"), ("new", "")),
        (Decimal("0.3"), Decimal("0.65"), Decimal("0.8"), Decimal(1)),
        (("0", "EUR"), ("10", "EUR"), ("50", "EUR"), ("5", "USD")),
        ("chat", "mail"),
    )
)
"""One of each kind that these policies can tell apart."""


def documents() -> st.SearchStrategy[Any]:
    """What JSON can say and two readers take alike."""
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
    numbers = st.integers(-MAX_NUMBER, MAX_NUMBER) | st.floats(-MAX_NUMBER, MAX_NUMBER, allow_nan=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
        max_leaves=25,
    )
