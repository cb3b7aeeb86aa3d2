"""Which cases count as near-identical, and what of them is told apart."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.domain.changes import ADDED, REMOVED, Run
from reviews.domain.likeness import Case, differences

LETTER = "Dear Customer 77, 12.00 EUR of 3 Oct 2026 (order A-1732) go back to you."
CASE = Case(
    workflow_id=1,
    action="refund_fee",
    subject_id="c-77",
    subject_label="Customer 77",
    payload={"message": LETTER, "amount": "12.00", "currency": "EUR", "items": [{"sku": "x9", "n": 2}]},
)


def other(**payload):
    return replace(CASE, payload={**CASE.payload, **payload})


def test_another_customer_amount_date_and_order_leave_a_case_near_identical_and_are_told():
    message = "Dear Ms Lee, 1,250.50 EUR of 14 Oct 2027 (order B-9) go back to you."
    after = replace(other(message=message, amount="1,250.50"), subject_id="c-8", subject_label="Ms Lee")
    found = differences(CASE, after)
    assert [change.label for change in found] == ["Subject", "Message", "Amount"]
    assert found[0].runs == (Run(REMOVED, "Customer 77"), Run(ADDED, "Ms Lee"))
    assert found[2].in_short == (Run(REMOVED, "12.00"), Run(ADDED, "1,250.50"))


def test_the_same_once_more_differs_in_nothing():
    assert differences(CASE, CASE) == ()


@pytest.mark.parametrize(
    "after",
    [
        other(message="Dear Customer 77, 12.00 EUR of 3 Oct 2026 (order A-1732) do not go back to you."),
        other(currency="USD"),
        other(items=[{"sku": "x9", "n": 2}, {"sku": "x9", "n": 2}]),
        other(items=[{"sku": "x9", "n": True}]),
        other(note="more"),
        replace(CASE, action="close_account"),
        replace(CASE, workflow_id=2),
        replace(CASE, payload={}),
    ],
)
def test_what_differs_in_more_than_subject_and_figures_is_another_case(after):
    assert differences(CASE, after) is None


@given(st.text(alphabet="abc 12-.", max_size=40), st.text(alphabet="abc 12-.", max_size=40))
def test_likeness_goes_both_ways(one, two):
    forth, back = (differences(other(message=a), other(message=b)) for a, b in ((one, two), (two, one)))
    assert (forth is None) == (back is None)


@pytest.mark.parametrize("text", ["x" * 500_000, "a-" * 250_000, "é" * 500_000, "9." * 250_000])
def test_a_very_long_text_is_compared_in_linear_time(text):
    started = time.perf_counter()
    assert differences(other(message=text), other(message=text)) == ()
    assert time.perf_counter() - started < 5
