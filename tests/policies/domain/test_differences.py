from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.differences import Effect, differences
from policies.domain.evaluate import evaluate
from policies.domain.spec import ActionSpec, Policy, Proposal, RuleSpec, ThresholdSpec, digest_of, to_document
from tests.policies.strategies import EVERY_PROPOSAL, FACTS, NOW, policies, rows

REFUND = ActionSpec(key="refund_fee", title="Refund a fee", what="", reversibility="reversible")
CLOSE = ActionSpec(key="close_account", title="Close an account", what="", reversibility="irreversible")
ROW = ThresholdSpec(
    action="refund_fee",
    autonomy="by_confidence",
    least_confidence=Decimal("0.85"),
    largest_amount=Decimal(50),
    currency="EUR",
    audit_rate=Decimal("0.02"),
    basis_reason="Watched for a year.",
)
ROW_IN_WORDS = (
    "refund_fee runs alone at 0.85 and above, up to 50 EUR; 2 % of those are checked afterwards. "
    "It stands on the reason “Watched for a year”."
)
RULE_IN_WORDS = "“A large sum” where amount > 20.0: it goes to Support"
RULE = RuleSpec(position=0, expression="amount > 20.0", sentence="A large sum.", group="Support")

DEFAULT = replace(ROW, action="", least_confidence=Decimal("0.6"), largest_amount=None)
SEND = ActionSpec(key="send_letter", title="Send a letter", what="", reversibility="externally_reversible")
FIGURES_OF_A_ROW: dict[str, tuple[Any, ...]] = {
    "autonomy": ("never", "by_confidence", "withdrawn"),
    "least_confidence": (Decimal("0.5"), Decimal("0.8"), Decimal(1)),
    "largest_amount": (None, Decimal(5), Decimal(50)),
    "currency": ("EUR", "USD"),
    "daily_count": (None, 0, 100),
    "daily_amount": (None, Decimal(5), Decimal(50)),
    "subject_daily_count": (None, 0, 100),
    "subject_daily_amount": (None, Decimal(5), Decimal(50)),
    "verdicts_needed": (1, 2, 3),
    "audit_rate": (Decimal("0.02"), Decimal(1)),
    "basis_reason": ("Watched.", "Watched longer."),
    "basis_holds_until": (None, NOW - timedelta(days=1), NOW + timedelta(days=1)),
    "separation": (True, False),
}


def document(
    *,
    actions: tuple[ActionSpec, ...] = (REFUND,),
    rows: tuple[ThresholdSpec, ...] = (ROW,),
    rules: tuple[RuleSpec, ...] = (),
) -> dict[str, Any]:
    return to_document(workflow="support", actions=actions, thresholds=rows, rules=rules)


def only(before: dict[str, Any] | None, after: dict[str, Any]) -> tuple[str, str]:
    (difference,) = differences(before, after)
    return difference.sentence, difference.effect


@pytest.mark.parametrize(
    ("change", "sentence", "effect"),
    [
        (
            {"least_confidence": Decimal("0.8")},
            "it runs alone from a confidence of 0.8; before, it runs alone from a confidence of 0.85.",
            "loosens",
        ),
        (
            {"largest_amount": Decimal(20)},
            "it runs alone up to 20.00 EUR; before, it runs alone up to 50.00 EUR.",
            "tightens",
        ),
        ({"largest_amount": None}, "it runs alone up to any amount; before, it runs alone up to 50.00 EUR.", "loosens"),
        ({"currency": "USD"}, "it runs alone up to 50.00 USD; before, it runs alone up to 50.00 EUR.", "loosens"),
        ({"verdicts_needed": 2}, "2 people must agree; before, one person decides.", "tightens"),
        ({"deliberate_acts": 2}, "approving takes two deliberate acts; before, one key approves.", "tightens"),
        (
            {"audit_rate": Decimal("0.01")},
            "1 % are drawn for review; before, 2 % are drawn for review.",
            "loosens",
        ),
        ({"daily_count": 100}, "at most 100 decisions a day run alone; before, no number a day is set.", "tightens"),
        (
            {"basis_reason": "", "certificate_id": "c-1", "certificate_digest": "sha256:0123abcd"},
            "it stands on certificate c-1 (sha256:0123abcd); before, it stands on the reason “Watched for a year”.",
            "neither",
        ),
        (
            {"alpha": Decimal("0.01"), "delta": Decimal("0.05")},
            "an error rate up to 1 % is claimed, wrong with a chance of 5 %; before, no error rate is claimed.",
            "neither",
        ),
    ],
)
def test_each_figure_of_a_row_is_told_with_what_it_was(change, sentence, effect):
    assert only(document(), document(rows=(replace(ROW, **change),))) == (f"refund_fee: {sentence}", effect)


def test_a_withdrawal_is_told_in_full():
    sentence, effect = only(document(), document(rows=(replace(ROW, autonomy="withdrawn"),)))
    assert sentence.startswith("refund_fee always goes to a person: the evidence for letting it run alone failed")
    assert (
        "Before: refund_fee runs alone at 0.85 and above, up to 50 EUR; 2 % of those are checked afterwards."
        in sentence
    )
    assert effect == "tightens"


def test_the_first_policy_is_told_whole():
    told = [difference.sentence for difference in differences(None, document(rules=(RULE,)))]
    assert told == [
        f"New row: {ROW_IN_WORDS}",
        "New rule: “A large sum” where amount > 20.0: it goes to Support.",
        "refund_fee (“Refund a fee”) is registered: we can undo it ourselves.",
    ]


def test_a_dropped_row_that_let_nothing_run_alone_may_loosen():
    never = ThresholdSpec(action="close_account")
    default = replace(ROW, action="")
    assert only(document(rows=(default, never)), document(rows=(default,)))[1] == "loosens"
    assert only(document(rows=(never,)), document(rows=()))[1] == "neither"


def test_a_row_for_an_action_can_loosen_for_a_model_that_the_default_bars():
    barred = ThresholdSpec(model_name="router", audit_rate=Decimal("0.02"))
    effects = {difference.effect for difference in differences(document(rows=(barred,)), document(rows=(barred, ROW)))}
    assert effects == {Effect.LOOSENS}


def test_rules_are_paired_by_what_they_say():
    told = differences(
        document(rules=(RULE, replace(RULE, position=1, expression="true", sentence="Always."))),
        document(rules=(replace(RULE, verdicts_needed=2),)),
    )
    assert [(each.sentence, each.effect) for each in told] == [
        ("Rule dropped: “Always” where true: it goes to Support.", "loosens"),
        (
            f"Rule changed: {RULE_IN_WORDS}, of which 2 people must agree. Before: {RULE_IN_WORDS}.",
            "tightens",
        ),
    ]


def test_another_currency_is_told_even_where_no_amount_is_set():
    was = replace(ROW, largest_amount=None)
    assert only(document(rows=(was,)), document(rows=(replace(was, currency=""),))) == (
        "refund_fee: its amounts are in no currency; before, in EUR.",
        "neither",
    )


def test_of_another_expression_nobody_can_tell():
    after = document(rules=(replace(RULE, expression="amount > 30.0"),))
    assert only(document(rules=(RULE,)), after)[1] == "may loosen"


def test_another_order_of_rules_is_a_difference():
    other = replace(RULE, expression="true", sentence="Always.")
    before, after = (
        document(rules=(RULE, replace(other, position=1))),
        document(rules=(other, replace(RULE, position=1))),
    )
    assert only(before, after)[0].startswith("The rules stand in another order")


def test_an_action_that_can_be_undone_from_now_on_loosens():
    was = replace(REFUND, reversibility="irreversible")
    assert only(document(actions=(was,)), document()) == (
        "refund_fee: we can undo it ourselves; before, it can't be undone, so a person confirms it first.",
        "loosens",
    )


@given(before=policies(), after=policies())
def test_there_is_nothing_to_tell_only_where_two_policies_are_equal(before, after):
    told = differences(before.to_document(), after.to_document())
    assert bool(told) == (digest_of(before.to_document()) != digest_of(after.to_document()))
    assert differences(after.to_document(), after.to_document()) == ()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), before=policies())
def test_a_row_more_or_less_that_lets_more_run_alone_is_said_to_loosen(data, before):
    require_it_is_said(before, data.draw(with_another_row(before)))


@pytest.mark.parametrize(("name", "values"), sorted(FIGURES_OF_A_ROW.items()))
def test_another_figure_in_a_row_that_lets_more_run_alone_is_said_to_loosen(name, values):
    for was, now in permutations(values, 2):
        before, after = (
            read(document(actions=(SEND, CLOSE, REFUND), rows=(replace(ROW, **{name: value}), DEFAULT), rules=(RULE,)))
            for value in (was, now)
        )
        require_it_is_said(before, after)


def test_another_expression_that_lets_more_run_alone_is_said_to_loosen():
    expressions = ("confidence < 0.7", "amount > 9.0", 'context.channel == "chat"', "true", "false")
    for was, now in permutations(expressions, 2):
        before, after = (read(document(rules=(replace(RULE, expression=each),))) for each in (was, now))
        require_it_is_said(before, after)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("reversibility", ("read_only", "irreversible")),
        ("active", (True, False)),
        ("amount_pointer", ("/amount", "/sum", "")),
        ("currency_pointer", ("/currency", "/iso", "")),
    ],
)
def test_another_action_that_lets_more_run_alone_is_said_to_loosen(name, values):
    for was, now in permutations(values, 2):
        before, after = (read(document(actions=(replace(REFUND, **{name: value}),))) for value in (was, now))
        require_it_is_said(before, after)
    require_it_is_said(read(document(actions=())), read(document()))


def require_it_is_said(before: Policy, after: Policy) -> None:
    """What runs alone by `after` ran alone by `before`, unless some difference is said to loosen."""
    told = differences(before.to_document(), after.to_document())
    if not {Effect.LOOSENS, Effect.MAY_LOOSEN} & {difference.effect for difference in told}:
        for proposal in EVERY_PROPOSAL:
            assert not (runs_alone(after, proposal) and not runs_alone(before, proposal)), (proposal, told)


def runs_alone(policy: Policy, proposal: Proposal) -> bool:
    return evaluate(policy, proposal, FACTS, draw=Decimal("0.9")).route == "auto"


def read(found: dict[str, Any]) -> Policy:
    return Policy.from_canonical(found, digest_of(found), number=1)


@st.composite
def with_another_row(draw: st.DrawFn, policy: Policy) -> Policy:
    """The same policy with a row more or less."""
    thresholds = list(policy.thresholds)
    dropped = draw(st.none() | st.integers(0, 3))
    if dropped is not None and thresholds:
        thresholds.pop(dropped % len(thresholds))
    else:
        row = draw(rows())
        thresholds = [each for each in thresholds if each.key != row.key] + [row]
    return replace(policy, thresholds=tuple(thresholds))
