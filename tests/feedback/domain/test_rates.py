"""Intervals against statsmodels, and the figures that the documents promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from feedback.domain import rates

counts = st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilsons_interval_is_that_of_statsmodels(count, level):
    assert rates.wilson(*count, level=level) == pytest.approx(
        proportion_confint(*count, alpha=1 - level, method="wilson"), abs=1e-12
    )


@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_exact_interval_is_that_of_statsmodels(count, level):
    assert rates.clopper_pearson(*count, level=level) == pytest.approx(
        proportion_confint(*count, alpha=1 - level, method="beta"), abs=1e-9
    )


def test_intervals_of_many_shares_come_in_one_call():
    lower, upper = rates.wilson([0, 5, 10], 10)
    assert lower.shape == upper.shape == (3,)
    assert lower[0] == 0.0
    assert upper[2] == 1.0
    assert (lower < upper).all()


def test_nothing_counted_leaves_everything_open():
    assert rates.override_rate(0, 0).interval == (0.0, 1.0)
    assert rates.override_rate(0, 0).share == 0.0


@pytest.mark.parametrize(("clean", "below"), [(30, 0.0951), (300, 0.01), (299, 0.01), (149, 0.02), (59, 0.05)])
def test_clean_audits_bound_the_error_as_the_page_says(clean, below):
    assert rates.clean_bound(clean) <= below
    assert rates.clean_bound(clean - 1 if clean != 300 else 298) > below - (0.0001 if clean == 30 else 0)


def test_twenty_of_twenty_known_answers_caught_mean_at_least_86_percent_only():
    assert rates.lower_bound(20, 20, delta=0.05).round(2) == 0.86


def test_a_share_of_fewer_than_ten_is_hidden():
    assert rates.override_rate(3, 9).hidden
    assert not rates.override_rate(3, 10).hidden


def test_a_count_beyond_its_total_is_refused():
    with pytest.raises(ValueError, match="between 0 and its total"):
        rates.wilson(11, 10)


def test_the_one_sided_bound_is_missed_no_more_often_than_it_says():
    chance = np.random.default_rng(7)
    for truth in (0.003, 0.02, 0.2):
        bound = rates.upper_bound(chance.binomial(400, truth, 4000), 400, delta=0.05)
        assert (bound < truth).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
