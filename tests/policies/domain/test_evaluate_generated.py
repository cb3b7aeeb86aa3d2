"""Ten thousand generated policies and decisions, judged twice; and what may never make anything run alone."""

from collections import Counter
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from policies.domain.evaluate import assess_stakes, evaluate
from policies.domain.spec import Assessment, Facts, Policy, RuleSpec, digest_of
from policies.domain.vocabulary import ReasonCode, Route
from tests.policies.domain import generated
from tests.policies.domain.oracle import expected

# A policy with ten decisions takes minutes to shrink; the failing one is printed as it is.
slow = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
DECISIONS = 10


def test_ten_thousand_pairs_are_judged_as_the_oracle_judges_them():
    seen: Counter[str] = Counter()

    @settings(slow, max_examples=1_000, database=None)
    @given(
        st.integers(0, 9).flatmap(lambda number: generated.policies() if number else st.none()),
        st.lists(
            st.tuples(generated.proposals, generated.facts, generated.draws), min_size=DECISIONS, max_size=DECISIONS
        ),
    )
    def judged_twice(policy, decisions):
        document = policy.to_document() if policy else None
        for proposal, facts, draw in decisions:
            ours = evaluate(policy, proposal, facts, draw=draw)
            theirs = expected(document, proposal, facts, draw)
            assert _told(ours) == theirs, (document, proposal, facts)
            seen.update({"pairs": 1, ours.route: 1} | dict.fromkeys(theirs["codes"], 1))

    judged_twice()
    assert seen["pairs"] >= 10_000
    assert seen[Route.AUTO] >= 200, "Hardly anything ran alone, so nothing was shown."
    assert set(ReasonCode.values) <= set(seen), "Not every reason came up."


def _told(assessment: Assessment) -> dict:
    return {
        "route": assessment.route,
        "codes": {reason.code for reason in assessment.reasons},
        "verdicts_needed": assessment.verdicts_needed,
        "deliberate_acts": assessment.deliberate_acts,
        "group": assessment.group,
        "flagged": assessment.flagged,
        "budgets": [(claim.name, claim.subject, claim.currency, claim.amount) for claim in assessment.budgets],
    }


# ---- What can only add oversight ------------------------------------------------------------------------------------

some_rule = st.sampled_from(generated.RULES).map(lambda source: RuleSpec(9, source, "Added.", verdicts_needed=1))


def _in_every_row(policy: Policy, change) -> Policy:
    return _made(policy, thresholds=tuple(change(row) for row in policy.thresholds))


def _in_every_action(policy: Policy, **changes) -> Policy:
    return _made(policy, actions={key: replace(action, **changes) for key, action in policy.actions.items()})


def _made(policy: Policy, **changes) -> Policy:
    parts = {name: getattr(policy, name) for name in ("workflow", "number", "digest", "actions", "thresholds", "rules")}
    return Policy(**{**parts, **changes})


def _lower(limit, by):
    return by if limit is None else min(limit, by)


TIGHTER = {
    "a rule": lambda p, d, f, rule: (_made(p, rules=(*p.rules, rule)), d, f),
    "a rule in front": lambda p, d, f, rule: (_made(p, rules=(rule, *p.rules)), d, f),
    "a higher threshold": lambda p, d, f, _: (
        _in_every_row(p, lambda row: replace(row, least_confidence=(row.least_confidence + 1) / 2)), d, f),
    "a lower limit": lambda p, d, f, _: (
        _in_every_row(p, lambda row: replace(row, largest_amount=_lower(row.largest_amount, Decimal(11)))), d, f),
    "a budget": lambda p, d, f, _: (
        _in_every_row(p, lambda row: replace(row, daily_amount=_lower(row.daily_amount, Decimal(11)))), d, f),
    "a subject's budget": lambda p, d, f, _: (
        _in_every_row(p, lambda row: replace(row, subject_daily_count=_lower(row.subject_daily_count, 0))), d, f),
    "no basis": lambda p, d, f, _: (
        _in_every_row(p, lambda row: replace(row, basis_reason="", certificate_id="")), d, f),
    "an end of the basis": lambda p, d, f, _: (
        _in_every_row(p, lambda row: replace(row, basis_holds_until=generated.NOW)), d, f),
    "no autonomy": lambda p, d, f, _: (_in_every_row(p, lambda row: replace(row, autonomy="never")), d, f),
    "withdrawn autonomy": lambda p, d, f, _: (_in_every_row(p, lambda row: replace(row, autonomy="withdrawn")), d, f),
    "more verdicts": lambda p, d, f, _: (_in_every_row(p, lambda row: replace(row, verdicts_needed=3)), d, f),
    "no rows": lambda p, d, f, _: (_made(p, thresholds=()), d, f),
    "no actions": lambda p, d, f, _: (_made(p, actions={}), d, f),
    "switched off": lambda p, d, f, _: (_in_every_action(p, active=False), d, f),
    "irreversible": lambda p, d, f, _: (_in_every_action(p, reversibility="irreversible"), d, f),
    "no policy": lambda p, d, f, _: (None, d, f),
    "no confidence": lambda p, d, f, _: (p, replace(d, confidence=None), f),
    "less confidence": lambda p, d, f, _: (p, replace(d, confidence=Decimal("0.3")), f),
    "another model": lambda p, d, f, _: (
        _in_every_row(p, lambda r: replace(r, model_name=f"x{r.model_name}", model_version=f"x{r.model_version}")),
        d, f),
    "a pause": lambda p, d, f, _: (p, d, replace(f, paused="workflow")),
    "a stop": lambda p, d, f, _: (p, d, replace(f, paused="everything")),
    "two live versions": lambda p, d, f, _: (p, d, replace(f, live_versions=2)),
    "old evidence": lambda p, d, f, _: (p, d, replace(f, evidence_assessed_at=generated.NOW - timedelta(minutes=11))),
    "no assessment": lambda p, d, f, _: (p, d, replace(f, evidence_assessed_at=None)),
    "a spent budget": lambda p, d, f, _: (p, d, replace(f, budget_spent=("day",))),
}  # fmt: skip
ALWAYS_A_PERSON = set(TIGHTER) - {
    "a rule", "a rule in front", "a higher threshold", "a lower limit", "a budget", "more verdicts",
}  # fmt: skip


@settings(slow, max_examples=300)
@given(generated.policies(), generated.proposals, generated.facts, some_rule)
def test_nothing_that_is_added_or_taken_away_turns_a_review_into_an_automatic_approval(policy, proposal, facts, rule):
    before = evaluate(policy, proposal, facts, draw=Decimal(0))
    for what, tighten in TIGHTER.items():
        after = evaluate(*tighten(policy, proposal, facts, rule), draw=Decimal(0))
        assert before.route == Route.AUTO or after.route == Route.REVIEW, what
        if what in ALWAYS_A_PERSON:
            assert after.route == Route.REVIEW, what
        if what.startswith("a rule"):
            assert {reason.code for reason in before.reasons} <= {reason.code for reason in after.reasons}
            assert after.verdicts_needed >= before.verdicts_needed


# ---- The same again, and in part ------------------------------------------------------------------------------------


@settings(slow, max_examples=300)
@given(generated.policies(), generated.proposals, generated.facts, generated.draws)
def test_what_is_stored_judges_the_same_again(policy, proposal, facts, draw):
    document = policy.to_document()
    stored = Policy.from_canonical(_sound(document), digest_of(document), number=7)
    first = evaluate(_made(policy, actions=stored.actions), proposal, facts, draw=draw)
    again = evaluate(stored, proposal, Facts.from_json(facts.to_json()), draw=draw)
    assert _comparable(first) == _comparable(again)
    assert stored.to_document() == _sound(document)


def _sound(document: dict) -> dict:
    """The document without the action whose reversibility is no word of the vocabulary: it can't be published."""
    return {**document, "actions": {key: each for key, each in document["actions"].items() if key != "odd"}}


def _comparable(assessment: Assessment) -> dict:
    return {each.name: getattr(assessment, each.name) for each in fields(Assessment)}


@settings(slow, max_examples=300)
@given(generated.policies(), generated.proposals, generated.facts)
def test_the_stakes_alone_are_part_of_the_whole(policy, proposal, facts):
    whole = evaluate(policy, proposal, replace(facts, requester_matched=True), draw=Decimal(0))
    stakes = assess_stakes(policy, proposal)
    of_stakes = {"unknown_action", "irreversible", "high_value", "missing_amount", "currency_mismatch", "rule",
                 "rule_error"}  # fmt: skip
    assert stakes.route == Route.REVIEW
    assert {reason.code for reason in stakes.reasons} <= of_stakes
    assert set(stakes.reasons) <= set(whole.reasons)
    for reason in whole.reasons:  # A budget by amount misses its amount only where something would run alone.
        by_budget = reason.code in {"missing_amount", "currency_mismatch"} and whole.row.largest_amount is None
        assert reason.code not in of_stakes or by_budget or reason in stakes.reasons
    for part in ("row", "verdicts_needed", "deliberate_acts", "separation", "group", "amount", "currency"):
        assert getattr(stakes, part) == getattr(whole, part), part
