"""What a draft would have done, against the reference; and what nobody can know."""

from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from feedback.domain import backtest
from tests.feedback.streams import EXPECTED, TOLERANCE, stream

CASES = [
    (name, threshold, figures)
    for name, audit in EXPECTED["audit"].items()
    for threshold, figures in audit["backtest_global_threshold"].items()
]
ENDS = TOLERANCE["interval_endpoints"]


@pytest.mark.parametrize(("name", "threshold", "figures"), CASES)
def test_a_draft_with_one_threshold_does_what_the_reference_says(name, threshold, figures):
    given = stream(name)
    found = backtest.effect_of(
        given.confidence >= float(threshold),
        probability=given.probability,
        labelled=given.labelled,
        error=given.overridden,
        # What those policies audit: less of what the AI is very sure of.
        draft_audit_rate=np.where(given.confidence >= 0.97, 0.05, 0.15),
        median_seconds=90,
    )
    assert found.auto_rate == pytest.approx(figures["auto_rate"], abs=1e-6)
    assert found.auto_rate_interval == pytest.approx(figures["auto_rate_interval95_for_future"], abs=ENDS)
    assert found.to_review == figures["to_review"]
    assert found.review_hours == pytest.approx(figures["review_hours_at_90_s"])
    assert found.expected_audits == pytest.approx(figures["expected_new_audits"])
    assert found.error == pytest.approx(figures["error"], abs=TOLERANCE["ht"])
    assert found.error_se == pytest.approx(figures["error_se"], abs=TOLERANCE["ht"])
    assert found.interval == pytest.approx(figures["interval95_guaranteed"], abs=ENDS)
    assert found.labelled == figures["labelled"]
    assert found.unidentified == 0
    assert [[one.errors, one.labelled, one.size] for one in found.strata] == [
        stratum for stratum in figures["strata_k_n_N"] if stratum[2]
    ]


def effect(draft_auto, probability, labelled, error):
    n = len(draft_auto)
    return backtest.effect_of(
        np.array(draft_auto, dtype=bool),
        probability=np.array(probability, dtype=float),
        labelled=np.array(labelled, dtype=bool),
        error=np.array(error, dtype=bool),
        draft_audit_rate=np.full(n, 0.02),
        median_seconds=60,
    )


def test_a_band_in_which_nobody_ever_looked_is_not_identified_and_never_no_errors():
    found = effect([True] * 40, [1] * 10 + [0] * 30, [True] * 10 + [False] * 30, [False] * 40)
    assert found.error is None
    assert found.unidentified == 0.75
    assert found.identified_error == 0.0
    assert found.interval == (0.0, 0.75)


def test_where_nobody_looked_at_all_the_error_is_anything_from_none_to_all():
    found = effect([True] * 30, [0] * 30, [False] * 30, [False] * 30)
    assert (found.error, found.identified_error, found.unidentified) == (None, None, 1.0)
    assert found.interval == (0.0, 1.0)


def test_a_sample_of_which_nothing_came_back_yet_is_not_identified_either():
    found = effect([True] * 30, [0.02] * 30, [False] * 30, [False] * 30)
    assert (found.error, found.unidentified, found.interval) == (None, 1.0, (0.0, 1.0))


def test_a_draft_that_automates_nothing_leaves_everything_to_people():
    found = effect([False] * 20, [1] * 20, [True] * 20, [True] * 20)
    assert (found.auto, found.to_review, found.error) == (0, 20, None)
    assert found.review_hours == pytest.approx(20 / 60)


def test_no_history_says_nothing():
    found = effect([], [], [], [])
    assert (found.n, found.auto_rate, found.interval) == (0, 0.0, (0.0, 1.0))


def change(number: int, **known) -> backtest.Change:
    unknown = {"wrong": False, "stakes": 1, "amount": None, "distance": None}
    return backtest.Change(decision=UUID(int=number), **{**unknown, **known})


def test_what_matters_most_of_what_changes_sides_comes_first():
    in_order = [
        change(1, wrong=True),
        change(2, stakes=2),
        change(3, amount=Decimal(900), distance=Decimal("0.2")),
        change(4, amount=Decimal(80), distance=Decimal("0.01")),
        change(5, amount=Decimal(80), distance=Decimal("0.2")),
        change(6, distance=Decimal("0.01")),
        change(7, distance=Decimal("0.2")),
        change(9),
        change(8),
    ]
    assert backtest.most_at_stake(reversed(in_order), most=99) == in_order
    assert backtest.most_at_stake(reversed(in_order), most=2) == in_order[:2]


def test_what_is_known_of_the_part_that_people_looked_at_stands_beside_the_whole():
    found = backtest.effect_of(
        np.ones(200, dtype=bool),
        probability=np.repeat([1.0, 0.0], 100),
        labelled=np.repeat([True, False], 100),
        error=np.zeros(200, dtype=bool),
        draft_audit_rate=np.full(200, 0.1),
        median_seconds=90,
    )
    assert found.error is None
    assert found.identified_error == 0
    assert found.identified_interval.upper < 0.05
    assert found.interval == pytest.approx((0, found.identified_interval.upper / 2 + 0.5))
