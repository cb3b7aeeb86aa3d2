"""What the policy demands of people, draws for the sample and takes from budgets, whatever the route."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from policies.domain.evaluate import assess_stakes, audit_draw, evaluate
from policies.domain.spec import BudgetClaim
from policies.domain.vocabulary import Route
from tests.policies.domain.scene import (
    ANY,
    FACTS,
    PROPOSAL,
    ROW,
    codes,
    judge,
    named,
    payload,
    policy,
    row,
    rule,
)

# ---- What is demanded of people -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "rules", "matched", "needed"),
    [
        ({"verdicts_needed": 2}, (), True, 2),
        ({"verdicts_needed": 2}, (rule("true", verdicts_needed=3),), True, 3),
        ({"verdicts_needed": 2}, (rule("false", verdicts_needed=3),), True, 2),
        ({}, (rule("payload.nowhere", verdicts_needed=3),), True, 3),
        ({"separation": True}, (), True, 1),
        ({"separation": True}, (), False, 2),
        ({"separation": True, "verdicts_needed": 3}, (), False, 3),
        ({"separation": False}, (), False, 1),
    ],
)
def test_the_most_verdicts_that_anything_asks_for_are_needed(rows, rules, matched, needed):
    assert judge(row(**rows), rules=rules, facts={"requester_matched": matched}).verdicts_needed == needed


@pytest.mark.parametrize(
    ("assessment", "acts"),
    [
        (judge(), 1),
        (judge(confidence=None), 1),
        (judge(row(deliberate_acts=2)), 2),
        (judge(payload=payload(amount="62.00")), 2),
        (judge(row(action="close_account"), action="close_account"), 2),
        (judge(ANY, action="frobnicate"), 2),
        (judge(row(action="x"), action="frobnicate"), 2),
        (evaluate(None, PROPOSAL, FACTS, draw=Decimal(0)), 2),
    ],
)
def test_what_is_high_irreversible_or_unknown_takes_two_deliberate_acts(assessment, acts):
    assert assessment.deliberate_acts == acts


def test_the_first_rule_that_names_a_group_sends_it_there():
    fired = (rule("true"), rule("payload.nowhere", position=1, group="Fraud"), rule("true", position=2, group="Legal"))
    assert judge(rules=fired).group == "Fraud"
    assert judge(rules=fired[:1]).group == ""
    assert judge(rules=(rule("false", group="Legal"),)).group == ""


def test_when_judging_fails_the_strictest_that_the_policy_asks_of_anybody_holds():
    broken = (row(verdicts_needed="1"), named("close_account"), replace(ROW, action="", verdicts_needed=2))
    assessment = judge(*broken)
    assert (codes(assessment), assessment.verdicts_needed, assessment.deliberate_acts) == (["policy_error"], 2, 2)
    assert judge(*broken, rules=(rule("false", verdicts_needed=3),)).verdicts_needed == 3
    assert judge(row(verdicts_needed="1", separation=True)).verdicts_needed == 2


# ---- The sample -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("draw", "flagged"), [("0", True), ("0.01999", True), ("0.02", False), ("0.9", False)])
@pytest.mark.parametrize("confidence", ["0.9", "0.1"])
def test_a_draw_below_the_audit_rate_is_in_the_sample_whatever_the_route(draw, flagged, confidence):
    assessment = judge(draw=draw, confidence=Decimal(confidence))
    assert (assessment.flagged, assessment.audit_rate) == (flagged, Decimal("0.02"))


def test_without_a_row_nothing_is_drawn():
    assessment = judge(row(action="close_account"), draw="0")
    assert (assessment.flagged, assessment.audit_rate) == (False, 0)


def test_the_draw_is_the_decisions_own_and_nobody_can_foresee_it_without_the_key():
    decision, key = UUID(int=7), b"k" * 32
    known = int("65072f9ef2d13668", 16)  # The first eight bytes that openssl dgst -sha256 -hmac gives.
    assert audit_draw(decision, key) * 2**64 == pytest.approx(known, rel=1e-25)
    assert audit_draw(decision, key) != audit_draw(decision, b"l" * 32)
    assert audit_draw(decision, key) != audit_draw(UUID(int=8), key)


def test_the_draws_are_even():
    draws = [audit_draw(UUID(int=number), b"key") for number in range(4_000)]
    assert all(0 <= draw < 1 for draw in draws)
    for tenth in range(10):
        share = sum(tenth <= draw * 10 < tenth + 1 for draw in draws)
        assert 320 < share < 480, "Four standard deviations off."


# ---- Budgets --------------------------------------------------------------------------------------------------------


def test_running_alone_takes_from_every_budget_of_the_row():
    assessment = judge(
        row(daily_count=100, subject_daily_count=3, subject_daily_amount=Decimal(20)), payload=payload(amount=12.5)
    )
    assert assessment.route == Route.AUTO
    assert assessment.budgets == (
        BudgetClaim("refund_fee", "", "", 1, Decimal(0), 100, None),
        BudgetClaim("refund_fee", "customer:c-77", "EUR", 1, Decimal("12.5"), 3, Decimal(20)),
    )
    assert [claim.name for claim in assessment.budgets] == ["day", "subject"]


def test_a_budget_of_the_default_row_is_each_actions_own():
    (claim,) = judge(replace(ANY, daily_count=5)).budgets
    assert claim.action == "refund_fee"


@pytest.mark.parametrize("limit", ["daily_amount", "subject_daily_amount"])
def test_a_budget_by_amount_needs_the_amount_in_its_currency(limit):
    by_budget = row(largest_amount=None, **{limit: Decimal(100)})
    assert codes(judge(by_budget, payload={})) == ["missing_amount"]
    assert codes(judge(by_budget, payload=payload(currency="USD"))) == ["currency_mismatch"]
    assert judge(by_budget).route == Route.AUTO
    assert codes(judge(row(**{limit: Decimal(100)}), payload={})) == ["missing_amount"], "Said once."


def test_budgets_are_no_concern_of_what_never_runs_alone():
    assert codes(judge(row(autonomy="never", largest_amount=None, daily_amount=Decimal(1)), payload={})) == [
        "always_review"
    ]


# ---- Edits and overrides --------------------------------------------------------------------------------------------


def test_what_a_person_wants_to_run_instead_is_judged_for_its_stakes_alone():
    doubtful = replace(PROPOSAL, confidence=None, model_name="unheard-of", payload=payload(amount="62.00"))
    assessment = assess_stakes(policy(row(basis_reason="", verdicts_needed=2)), doubtful)
    assert codes(assessment) == ["high_value"]
    assert (assessment.route, assessment.verdicts_needed, assessment.deliberate_acts) == (Route.REVIEW, 2, 2)
    assert assessment.amount == Decimal("62.00")


def test_an_edit_within_the_limits_has_no_reasons_and_still_no_route_but_a_persons():
    assessment = assess_stakes(policy(), PROPOSAL)
    assert (assessment.route, assessment.reasons, assessment.budgets) == (Route.REVIEW, (), ())
    assert assess_stakes(None, PROPOSAL).deliberate_acts == 2


def test_rules_look_at_what_would_run():
    secured = policy(rules=(rule("action == 'close_account' || payload.amount == '40'", group="Legal"),))
    assert assess_stakes(secured, PROPOSAL).reasons == ()
    assert assess_stakes(secured, replace(PROPOSAL, payload=payload(amount="40"))).group == "Legal"
    assert codes(assess_stakes(secured, replace(PROPOSAL, action="close_account"))) == ["irreversible", "rule"]
