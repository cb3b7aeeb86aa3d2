"""Daily budgets of what runs alone: counts and money, of all and of a subject."""

from decimal import Decimal

import pytest

from reviews.models import BudgetUse
from tests.factories import assess_evidence, later, make_live_policy, make_workflow, submit_one
from tests.reviews.services.submitting import codes, submitted

pytestmark = pytest.mark.django_db


def test_a_spent_budget_sends_to_a_person_and_writes_nothing_but_that(upstream):
    make_live_policy(daily_count=2)
    decisions = [submit_one(client=upstream, confidence=0.95) for _ in range(3)]
    assert [decision.route for decision in decisions] == ["auto", "auto", "review"]
    assert codes(decisions[-1]) == ["budget_spent"]
    assert decisions[-1].facts["budget_spent"] == ["day"]
    assert BudgetUse.objects.get().count == 2


def test_a_budget_begins_again_each_day(upstream):
    make_live_policy(daily_count=1)
    for day in range(2):
        assess_evidence(make_workflow(), now=later(days=day))
        assert submit_one(client=upstream, confidence=0.95, now=later(days=day)).route == "auto"
    assert BudgetUse.objects.count() == 2


def test_a_budget_of_money_counts_money_and_one_of_a_subject_counts_the_subject(upstream):
    make_live_policy(daily_amount=Decimal(100), subject_daily_amount=Decimal(20), currency="EUR")

    def refund(amount, subject):
        payload = {"amount": amount, "currency": "EUR"}
        return submit_one(
            client=upstream, confidence=0.95, payload=payload, subject={"type": "customer", "id": subject}
        )

    assert refund("15.00", "a").route == "auto"
    assert refund("6.00", "a").facts["budget_spent"] == ["subject"]
    assert refund("5.00", "a").route == "auto"
    for subject in "bcde":
        assert refund("20.00", subject).route == "auto"
    assert refund("1.00", "f").facts["budget_spent"] == ["day"]
    assert sorted(BudgetUse.objects.filter(count__gt=0).values_list("amount", flat=True)) == [20, 20, 20, 20, 20, 100]


def test_a_budget_is_kept_for_the_longest_subject_as_well(upstream):
    make_live_policy(subject_daily_count=1)
    subject = {"type": '"' * 80, "id": "\u20ac" * 255}
    decisions = [submit_one(client=upstream, confidence=0.95, subject=subject) for _ in range(2)]
    assert [decision.route for decision in decisions] == ["auto", "review"]


def test_the_same_request_again_takes_no_budget(upstream):
    make_live_policy(daily_count=5)
    for _ in range(3):
        submitted(upstream, external_id="a", confidence=0.95)
    assert BudgetUse.objects.get().count == 1
