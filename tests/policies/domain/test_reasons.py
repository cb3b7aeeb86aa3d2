"""A row in words: the sentence says what judging does, all of it and nothing else."""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.evaluate import evaluate
from policies.domain.figures import confidence_figure, grouped, moment, money, per_cent, per_cent_between
from policies.domain.reasons import for_people, low_confidence, rule_fired
from policies.domain.sentences import describe
from policies.domain.spec import Policy, RuleSpec, ThresholdSpec
from policies.domain.vocabulary import Route
from tests.policies.domain.generated import ACTIONS, NOW, models, rows
from tests.policies.domain.scene import CLOSE, FACTS, PROPOSAL, REFUND, row

TOMORROW = NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "action", "sentence"),
    [
        (
            {},
            REFUND,
            "refund_fee runs alone at 0.85 and above, up to 50 EUR; 2 % of those are checked afterwards",
        ),
        (
            {"largest_amount": None, "least_confidence": Decimal(1), "audit_rate": Decimal(1)},
            REFUND,
            "refund_fee runs alone at 1 and above; all of those are checked afterwards",
        ),
        (
            {
                "model_name": "support-router",
                "model_version": "1.0",
                "largest_amount": Decimal("1250.5"),
                "daily_count": 1000,
                "daily_amount": Decimal(20000),
                "subject_daily_count": 3,
                "audit_rate": Decimal("0.005"),
            },
            REFUND,
            (
                "refund_fee by support-router 1.0 runs alone at 0.85 and above, up to 1,250.50 EUR, "
                "at most 1,000 decisions and 20,000 EUR a day, at most 3 decisions a day for one subject; "
                "0.5 % of those are checked afterwards"
            ),
        ),
        (
            {"verdicts_needed": 2, "deliberate_acts": 2, "separation": True, "basis_holds_until": TOMORROW},
            REFUND,
            (
                "refund_fee runs alone at 0.85 and above, up to 50 EUR; 2 % of those are checked afterwards; "
                "otherwise 2 people must agree; approving takes two deliberate acts; "
                "two people must agree where nobody knows who asked for it; "
                "from 2026-03-03 09:00 UTC on it always goes to a person"
            ),
        ),
        (
            {"autonomy": "never", "audit_rate": Decimal(0), "largest_amount": None},
            REFUND,
            "refund_fee always goes to a person",
        ),
        (
            {"autonomy": "never", "verdicts_needed": 3},
            REFUND,
            (
                "refund_fee always goes to a person; 2 % of them are drawn for the figures; "
                "above 50 EUR it counts as high value; 3 people must agree"
            ),
        ),
        (
            {"autonomy": "withdrawn", "largest_amount": None, "audit_rate": Decimal(0)},
            REFUND,
            "refund_fee always goes to a person: the evidence for letting it run alone failed",
        ),
        (
            {"action": "close_account", "largest_amount": None, "audit_rate": Decimal("0.1")},
            CLOSE,
            (
                "close_account always goes to a person: it can't be undone; 10 % of them are drawn for the figures; "
                "approving takes two deliberate acts"
            ),
        ),
        (
            {"largest_amount": None, "audit_rate": Decimal(0), "autonomy": "never"},
            replace(REFUND, active=False),
            "refund_fee always goes to a person: the action is switched off; approving takes two deliberate acts",
        ),
        (
            {"largest_amount": None},
            None,
            (
                "refund_fee always goes to a person: the action is not registered; "
                "2 % of them are drawn for the figures; approving takes two deliberate acts"
            ),
        ),
        (
            {"basis_reason": ""},
            REFUND,
            (
                "refund_fee always goes to a person: nothing is given for letting it run alone; "
                "2 % of them are drawn for the figures; above 50 EUR it counts as high value"
            ),
        ),
        (
            {"action": "", "largest_amount": None},
            None,
            (
                "Every action without a row of its own that can be undone runs alone at 0.85 and above; "
                "2 % of those are checked afterwards"
            ),
        ),
        (
            {"action": "", "autonomy": "never", "audit_rate": Decimal(0), "largest_amount": None, "model_name": "bot"},
            None,
            "Every action without a row of its own, if proposed by bot of any version, always goes to a person",
        ),
    ],
)
def test_a_row_is_told_in_one_sentence(changes, action, sentence):
    assert describe(row(**changes), action) == sentence


# ---- The sentence against what judging does -------------------------------------------------------------------------


class Told:
    """What a reader takes from the sentence, and nothing from the row."""

    def __init__(self, sentence: str) -> None:
        head, *clauses = sentence.split("; ")
        who, self.alone, what = re.fullmatch(r"(.*?) (runs alone at|always goes to a person)(.*)", head).groups()
        self.alone = self.alone == "runs alone at"
        self.everyone = who.startswith("Every action")
        model = re.search(r" by (\S+) (of any version|\S+?)(?:,|$)", who)
        self.model = model.groups() if model else ("", "")
        self.least = _figure(r"(\S+) and above", what)
        self.largest = _figure(r"(?:up to|above) (\S+) [A-Z]{3}(?: it counts|,|;|$)", f"{what}; {'; '.join(clauses)}")
        currency = re.search(r"\d ([A-Z]{3})", sentence)
        self.currency = currency[1] if currency else None
        self.budgets = {
            whose or "day": (_figure(r"^([\d,]+) decisions?(?: and|$)", most), _figure(r"(\S+) [A-Z]{3}$", most))
            for most, whose in re.findall(r"at most (.+?) a day(?: for one (subject))?", what)
        }
        share = re.search(r"(all|[\d.]+ %) of (those are checked afterwards|them are drawn)", sentence)
        self.rate = Decimal(0) if share is None else Decimal(1) if share[1] == "all" else Decimal(share[1][:-2]) / 100
        people = re.search(r"; (?:otherwise )?(\d) people must agree", sentence)
        self.people = int(people[1]) if people else 1
        self.acts = 2 if "approving takes two deliberate acts" in clauses else 1
        self.separation = "two people must agree where nobody knows who asked for it" in clauses
        self.ends = any(clause.startswith("from 2026-03-03 09:00 UTC on") for clause in clauses)

    def runs_alone(self, confidence: Decimal, amount: Decimal | None, currency: str, *, later: bool) -> bool:
        if not self.alone or confidence < self.least or (later and self.ends):
            return False
        by_amount = [limit for _, limit in self.budgets.values()] + [self.largest]
        for limit in by_amount:
            if limit is not None and (amount is None or currency != self.currency or amount > limit):
                return False
        return True


def _figure(pattern: str, text: str) -> Decimal | None:
    found = re.search(pattern, text)
    return Decimal(found[1].replace(",", "")) if found else None


probes = st.tuples(
    st.sampled_from([Decimal(0), Decimal("0.000001")]),
    st.sampled_from([None, Decimal(0), Decimal("0.01")]),
    st.sampled_from(["EUR", "USD"]),
    st.booleans(),
    st.booleans(),
)
described = st.builds(
    lambda row, model: replace(row, model_name=model[0], model_version=model[1]),
    rows.filter(lambda row: row.basis_holds_until != NOW - timedelta(microseconds=1)),
    models,
)


@settings(max_examples=1_000, deadline=None)
@given(described, st.sampled_from(["refund", "look", "transfer", "close", "old"]), probes)
def test_the_sentence_says_what_judging_does(row, key, probe):
    row = replace(row, action=row.action and key, basis_holds_until=row.basis_holds_until and TOMORROW)
    action = ACTIONS[key]
    told = Told(describe(row, action if row.action else None))
    below, above, currency, later, matched = probe
    confidence = max(Decimal(0), (row.least_confidence or Decimal(1)) - below)
    amount = None if above is None else (row.largest_amount or Decimal(7)) + above
    model_name, model_version = row.model_name or "any", row.model_version or "any"
    assessment = evaluate(
        Policy("support", 1, "sha256:1", {key: action}, (row,)),
        replace(
            PROPOSAL,
            action=key,
            payload=_payload(amount, currency),
            confidence=confidence,
            model_name=model_name,
            model_version=model_version,
        ),
        replace(
            FACTS,
            now=TOMORROW if later else NOW,
            evidence_assessed_at=TOMORROW if later else NOW,
            requester_matched=matched,
        ),
        draw=Decimal(0),
    )
    assert tuple(told.model) == (row.model_name, row.model_version or ("of any version" if row.model_name else ""))
    assert told.everyone == (row.action == "")
    can_be_undone = action.active and action.reversibility != "irreversible"
    expected = told.runs_alone(confidence, amount, currency, later=later)
    if told.everyone and not can_be_undone:
        assert not told.alone or assessment.route == Route.REVIEW
    else:
        assert (assessment.route == Route.AUTO) == expected
        codes = {reason.code for reason in assessment.reasons}
        high = told.largest is not None and amount is not None and currency == told.currency and amount > told.largest
        assert ("high_value" in codes) == high
        assert assessment.deliberate_acts == (2 if high else told.acts)
    assert assessment.audit_rate == told.rate
    assert assessment.verdicts_needed == max(told.people, 2 if told.separation and not matched else 1)
    if assessment.route == Route.AUTO:
        taken = {claim.name: (claim.limit_count, claim.limit_amount) for claim in assessment.budgets}
        assert taken == told.budgets


def _payload(amount: Decimal | None, currency: str) -> dict[str, Any]:
    value = None if amount is None else str(amount)
    return {"amount": value, "currency": currency, "total": {"value": value, "unit": currency}}


@given(st.decimals(0, 10**15, places=4))
def test_money_keeps_every_figure(amount):
    written = money(amount, "EUR")
    assert Decimal(written.removesuffix(" EUR").replace(",", "")) == amount
    assert re.fullmatch(r"\d{1,3}(,\d{3})*\.\d{2,4} EUR", written)
    assert Decimal(money(amount)) == amount


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("4200", "4,200.00"), ("1250.125", "1,250.125"), ("-0.5", "-0.50"), ("0", "0.00"), ("1e6", "1,000,000.00")],
)
def test_an_amount_is_printed_with_its_thousands_apart(amount, shown):
    assert grouped(Decimal(amount)) == shown


def test_a_share_is_printed_in_per_cent_behind_a_space_that_does_not_break():
    assert (per_cent(Decimal("0.01"), 1), per_cent(1), per_cent_between(0.092, 0.16)) == (
        "1.0\u00a0%",
        "100\u00a0%",
        "9–16\u00a0%",
    )


def test_a_moment_is_told_in_utc_to_the_minute():
    assert moment(NOW) == "2026-03-02 09:00 UTC"


def test_an_empty_row_never_runs_alone():
    assert describe(ThresholdSpec(), None) == "Every action without a row of its own always goes to a person"


# ---- Figures and reasons as pages say them --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confidence", "least", "shown"),
    [
        ("0.716074", "0.85", "0.72"),
        ("0.62", "0.85", "0.62"),
        ("0.5", "0.85", "0.50"),
        ("0.8496", "0.85", "0.8496"),
        ("0.84996", "0.85", "0.84996"),
        ("0.85", "0.85", "0.85"),
        ("0.8504", "0.85", "0.8504"),
        ("0.8731", "0.8732", "0.87"),
        ("0.8799", "0.8732", "0.88"),
        ("0.9997", None, "0.9997"),
        ("0.0002", None, "0.0002"),
        ("1", "0.85", "1"),
        ("0.000", "0.85", "0"),
    ],
)
def test_a_confidence_reads_as_short_as_its_limit_allows(confidence, least, shown):
    assert confidence_figure(Decimal(confidence), least=least and Decimal(least)) == shown


confidences = st.decimals(0, 1, places=12, allow_nan=False)


@given(confidences, confidences)
def test_no_figure_looks_on_the_wrong_side_of_its_limit(confidence, least):
    shown = Decimal(confidence_figure(confidence, least=least))
    assert shown.compare(least) == confidence.compare(least)


def test_a_page_says_the_action_s_title_where_the_api_says_its_key():
    reason = low_confidence(REFUND, confidence=Decimal("0.716074"), least=Decimal("0.85"))
    assert reason.message == "Confidence 0.72 is below 0.85, the least for refund_fee."
    assert reason.observed == "0.716074"
    said = for_people(reason, action="refund_fee", title="Refund a fee")
    assert said == "Confidence 0.72 is below 0.85, the least for “Refund a fee”."
    assert for_people(reason, action="refund", title="Refund") == reason.message
    assert for_people(reason, action="refund_fee", title="") == reason.message


def test_a_rule_s_own_words_are_left_as_its_author_wrote_them():
    reason = rule_fired(RuleSpec(0, "true", "Every refund is looked at.", "", "", 0))
    assert for_people(reason, action="refund", title="Refund money") == "Every refund is looked at."
