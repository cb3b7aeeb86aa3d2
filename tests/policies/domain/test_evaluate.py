"""What the policy says of one proposal: what runs alone, and each reason against it."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from policies.domain.evaluate import evaluate
from policies.domain.spec import Assessment
from policies.domain.vocabulary import ReasonCode, Route
from tests.policies.domain.generated import NOW
from tests.policies.domain.scene import (
    ANY,
    FACTS,
    PROPOSAL,
    REFUND,
    codes,
    judge,
    named,
    payload,
    policy,
    row,
    rule,
)

# ---- Running alone --------------------------------------------------------------------------------------------------


def test_a_proposal_that_passes_every_test_runs_alone():
    assessment = judge()
    assert (assessment.route, assessment.reasons) == (Route.AUTO, ())
    assert assessment.threshold == Decimal("0.85")
    assert (assessment.amount, assessment.currency) == (Decimal("12.00"), "EUR")
    assert (assessment.verdicts_needed, assessment.deliberate_acts, assessment.group) == (1, 1, "")


@pytest.mark.parametrize("reversibility", ["read_only", "reversible", "externally_reversible"])
def test_only_what_can_be_undone_runs_alone(reversibility):
    actions = (replace(REFUND, reversibility=reversibility),)
    assert evaluate(policy(actions=actions), PROPOSAL, FACTS, draw=Decimal(0)).route == Route.AUTO


@pytest.mark.parametrize("confidence", ["0.85", "0.8500000000000000000000000000000000000001", "1"])
def test_a_confidence_at_the_threshold_is_enough(confidence):
    assert judge(confidence=Decimal(confidence)).route == Route.AUTO


@pytest.mark.parametrize(
    "changes", [{"amount": "50.00"}, {"amount": 50}, {"amount": 50.0}, {"amount": "0"}, {"amount": 0.1}]
)
def test_an_amount_up_to_the_limit_runs_alone_however_it_is_written(changes):
    assert judge(payload=payload(**changes)).route == Route.AUTO


# ---- Each reason, in its words --------------------------------------------------------------------------------------


OTHER_MODEL = row(model_name="support-router", model_version="0.9")
CASES: dict[str, tuple[Assessment, str, str]] = {
    "below the threshold": (
        judge(confidence=Decimal("0.62")),
        "low_confidence",
        "Confidence 0.62 is below 0.85, the least for refund_fee.",
    ),
    "just below the threshold": (
        judge(confidence=Decimal("0.84999999999999999999999999999")),
        "low_confidence",
        "Confidence 0.84999999999999999999999999999 is below 0.85, the least for refund_fee.",
    ),
    "no confidence": (
        judge(confidence=None),
        "missing_confidence",
        "The AI gave no confidence; refund_fee needs 0.85.",
    ),
    "not a number": (
        judge(confidence=Decimal("NaN")),
        "missing_confidence",
        "The AI gave a confidence that is no number from 0 to 1; refund_fee needs 0.85.",
    ),
    "above the limit": (
        judge(payload=payload(amount="62.00")),
        "high_value",
        "62.00 EUR is above 50.00 EUR, the most that runs alone.",
    ),
    "a cent above the limit": (
        judge(payload=payload(amount=50.001)),
        "high_value",
        "50.001 EUR is above 50.00 EUR, the most that runs alone.",
    ),
    "no amount": (
        judge(payload={"currency": "EUR"}),
        "missing_amount",
        "refund_fee runs alone only within a limit in EUR, and its payload gives no amount at /amount.",
    ),
    "a negative amount": (
        judge(payload=payload(amount="-12.00")),
        "missing_amount",
        "refund_fee runs alone only within a limit in EUR, and its payload gives a negative amount at /amount.",
    ),
    "an amount in words": (
        judge(payload=payload(amount="twelve")),
        "missing_amount",
        "refund_fee runs alone only within a limit in EUR, and its payload gives no plain number at /amount.",
    ),
    "another currency": (
        judge(payload=payload(currency="USD")),
        "currency_mismatch",
        "The amount is in USD; the limit of refund_fee is in EUR.",
    ),
    "no currency": (
        judge(payload={"amount": "12.00"}),
        "currency_mismatch",
        "The payload names no currency; the limit of refund_fee is in EUR.",
    ),
    "irreversible": (
        judge(row(action="close_account", largest_amount=None), action="close_account"),
        "irreversible",
        "close_account can't be undone once it has run.",
    ),
    "never": (
        judge(row(autonomy="never")),
        "always_review",
        "The policy never lets refund_fee run alone.",
    ),
    "no row": (
        judge(row(action="close_account")),
        "always_review",
        "The policy has no row for refund_fee, so a person decides.",
    ),
    "another model": (
        judge(OTHER_MODEL),
        "unproven_model",
        "support-router 1.0 has not earned to run refund_fee alone; the policy names other models.",
    ),
    "withdrawn": (
        judge(row(autonomy="withdrawn")),
        "autonomy_withdrawn",
        "refund_fee no longer runs alone: the evidence for it failed.",
    ),
    "a rule": (judge(rules=(rule("amount > 10"),)), "rule", "It mentions a lawyer."),
    "a rule that fails": (
        judge(rules=(rule("payload.nowhere > 10"),)),
        "rule_error",
        "The rule “It mentions a lawyer.” could not be judged: There is no nowhere in what the decision holds.",
    ),
    "a rule that is no CEL": (
        judge(rules=(rule("amount >"),)),
        "rule_error",
        "The rule “It mentions a lawyer.” could not be judged: mismatched input '<EOF>'.",
    ),
    "unknown": (
        judge(ANY, action="frobnicate"),
        "unknown_action",
        "frobnicate is not a registered action of support.",
    ),
    "switched off": (
        evaluate(policy(actions=(replace(REFUND, active=False),)), PROPOSAL, FACTS, draw=Decimal(0)),
        "unknown_action",
        "refund_fee is switched off in support.",
    ),
    "no policy": (
        evaluate(None, PROPOSAL, replace(FACTS, live_versions=0), draw=Decimal(0)),
        "no_policy",
        "No policy is in force for support.",
    ),
    "two policies": (
        judge(facts={"live_versions": 2}),
        "no_policy",
        "2 policies are live for support; one may be.",
    ),
    "paused": (judge(facts={"paused": "workflow"}), "paused", "support is paused."),
    "stopped": (judge(facts={"paused": "everything"}), "paused", "Everything is paused."),
    "a spent budget": (
        judge(row(daily_count=100, daily_amount=Decimal(5000)), facts={"budget_spent": ("day",)}),
        "budget_spent",
        "Today's budget of refund_fee leaves no room for it: at most 100 decisions and 5,000 EUR a day run alone.",
    ),
    "a subject's spent budget": (
        judge(row(subject_daily_count=3), facts={"budget_spent": ("subject",)}),
        "budget_spent",
        "Today's budget of refund_fee for this subject leaves no room for it: at most 3 decisions a day run alone.",
    ),
    "more than a day's budget": (
        judge(row(daily_amount=Decimal("11.99"))),
        "budget_spent",
        "12.00 EUR is above the daily budget of 11.99 EUR for refund_fee.",
    ),
    "more than a subject's budget": (
        judge(row(subject_daily_amount=Decimal(10))),
        "budget_spent",
        "12.00 EUR is above the daily budget of 10 EUR for refund_fee and one subject.",
    ),
    "a budget of nothing": (
        judge(row(daily_count=0)),
        "budget_spent",
        "The daily budget of refund_fee is 0 decisions.",
    ),
    "no subject to count for": (
        judge(row(subject_daily_count=3), subject={}),
        "budget_spent",
        "refund_fee has a daily budget for each subject, and the decision names no subject.",
    ),
    "an expired basis": (
        judge(row(basis_holds_until=NOW)),
        "evidence_expired",
        "What let refund_fee run alone held until 2026-03-02 09:00 UTC.",
    ),
    "no basis": (
        judge(row(basis_reason=" ")),
        "evidence_expired",
        "Nothing is given for letting refund_fee run alone: no certificate and no reason.",
    ),
    "old evidence": (
        judge(facts={"evidence_assessed_at": NOW - timedelta(minutes=10, microseconds=1)}),
        "unmonitored",
        "Whether the evidence still holds was assessed 10 min 1 s ago; 10 min is the limit.",
    ),
    "evidence of tomorrow": (
        judge(facts={"evidence_assessed_at": NOW + timedelta(days=1)}),
        "unmonitored",
        "The last assessment of the evidence is dated in the future.",
    ),
    "evidence never assessed": (
        judge(facts={"evidence_assessed_at": None}),
        "unmonitored",
        "Nobody has yet assessed whether the evidence still holds.",
    ),
    "a broken threshold": (
        judge(row(least_confidence=None)),
        "policy_error",
        "The policy could not be applied: the row for refund_fee has no least confidence above 0 and up to 1.",
    ),
    "no audit rate": (
        judge(row(audit_rate=Decimal(0))),
        "policy_error",
        "The policy could not be applied: the row for refund_fee has no audit rate above 0 and up to 1.",
    ),
    "a broken number of verdicts": (
        judge(row(verdicts_needed=None)),
        "policy_error",
        "The policy could not be applied: None is no number of verdicts or acts.",
    ),
    "a broken moment": (
        judge(facts={"now": datetime(2026, 3, 2, 9)}),  # noqa: DTZ001 - that is what is wrong
        "policy_error",
        "The policy could not be applied: TypeError.",
    ),
}


@pytest.mark.parametrize(("assessment", "code", "message"), CASES.values(), ids=CASES.keys())
def test_each_reason_sends_to_a_person_and_says_why_with_its_figures(assessment, code, message):
    assert assessment.route == Route.REVIEW
    assert [(str(reason.code), reason.message) for reason in assessment.reasons] == [(code, message)]
    assert assessment.reasons[0].ask.endswith(("?", "."))
    assert assessment.budgets == ()


def test_every_reason_code_is_among_the_cases():
    assert {code for _, code, _ in CASES.values()} == set(ReasonCode.values)


def test_a_reason_carries_the_test_that_failed():
    low, high = judge(confidence=Decimal("0.62"), payload=payload(amount="62.00")).reasons
    assert low.to_json() == {
        "code": "low_confidence",
        "message": "Confidence 0.62 is below 0.85, the least for refund_fee.",
        "field": "confidence",
        "operator": ">=",
        "limit": "0.85",
        "observed": "0.62",
        "ask": "Is “Refund a fee” right here, or does something else fit better?",
    }
    assert (high.field, high.operator, high.limit, high.observed) == ("payload/amount", "<=", "50.00", "62.00")


def test_what_an_action_or_a_rule_asks_is_asked_in_its_own_words():
    asking = replace(REFUND, ask="Is the fee refundable under the customer's plan?")
    rules = (rule("true", ask="Did a lawyer write?"), rule("true", position=1))
    assessment = evaluate(
        policy(rules=rules, actions=(asking,)), replace(PROPOSAL, confidence=None), FACTS, draw=Decimal(0)
    )
    assert [reason.ask for reason in assessment.reasons] == [
        "Is the fee refundable under the customer's plan?",
        "Did a lawyer write?",
        "Does what the rule found stand in the way?",
    ]


def test_all_reasons_that_apply_are_given_in_one_order():
    assessment = judge(
        row(basis_reason=""),
        rules=(rule("payload.nowhere"), rule("true", position=1), rule("true", position=2, sentence="Second.")),
        confidence=Decimal("0.1"),
        payload=payload(amount="99"),
        facts={"paused": "workflow", "live_versions": 2, "evidence_assessed_at": None, "budget_spent": ("day",)},
    )
    assert codes(assessment) == [
        *("low_confidence", "high_value", "rule", "rule", "rule_error", "no_policy", "paused", "budget_spent"),
        *("evidence_expired", "unmonitored"),
    ]
    assert [reason.message for reason in assessment.reasons][2:4] == ["It mentions a lawyer.", "Second."]


# ---- Which row governs ----------------------------------------------------------------------------------------------


NEAREST_FIRST = (
    named("refund_fee", "support-router", "1.0", "0.11"),
    named("refund_fee", "support-router", "", "0.12"),
    named("refund_fee", "", "", "0.13"),
    named("", "support-router", "1.0", "0.14"),
    named("", "support-router", "", "0.15"),
    named("", "", "", "0.16"),
)
NEVER_FITTING = (named("refund_fee", "support-router", "1.1"), named("refund_fee", "x"), named("close_account"))


@pytest.mark.parametrize("nearest", range(len(NEAREST_FIRST)))
def test_the_nearest_row_governs(nearest):
    assessment = judge(*NEVER_FITTING, *reversed(NEAREST_FIRST[nearest:]))
    assert assessment.row == NEAREST_FIRST[nearest]


def test_a_new_version_starts_with_people_unless_a_row_for_any_version_governs_it():
    only_1_0 = named("refund_fee", "support-router", "1.0")
    assert codes(judge(only_1_0, model_version="1.1")) == ["unproven_model"]
    assert codes(judge(replace(only_1_0, action=""), model_version="1.1")) == ["unproven_model"]
    assert judge(only_1_0, named("refund_fee", "support-router"), model_version="1.1").route == Route.AUTO
    assert judge(only_1_0, ANY, model_version="1.1").route == Route.AUTO


def test_rows_of_other_actions_for_other_models_leave_it_with_no_row():
    assert codes(judge(named("close_account", "support-router", "1.0"))) == ["always_review"]
