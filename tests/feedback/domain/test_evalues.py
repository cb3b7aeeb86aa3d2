"""Bets that stay fair however often one looks."""

import numpy as np
import pytest
from scipy import integrate, stats

from feedback.domain import evalues

RUNS, LABELS = 1000, 400


@pytest.mark.parametrize(("alpha", "labels"), [(0.01, 377), (0.02, 188), (0.05, 74)])
def test_a_continuous_look_needs_so_many_labels_without_an_error(alpha, labels):
    assert evalues.labels_needed_continuously(alpha=alpha, delta=0.05) == labels


@pytest.mark.parametrize(("errors", "labels"), [(0, 50), (3, 80), (9, 90)])
def test_the_evidence_is_the_average_bet_over_rates_below_the_claim(errors, labels):
    alpha = 0.1

    def bet(rate):
        return (
            (rate / alpha) ** errors * ((1 - rate) / (1 - alpha)) ** (labels - errors) * stats.beta.pdf(rate, 0.5, 0.5)
        )

    below, _ = integrate.quad(bet, 0, alpha, points=[1e-6, 1e-3, 0.01])
    above, _ = integrate.quad(bet, alpha, 1, points=[0.2, 0.999], limit=200)
    weight = stats.beta.cdf(alpha, 0.5, 0.5)
    assert np.exp(evalues.log_evidence_below(errors, labels, alpha=alpha)) == pytest.approx(below / weight, rel=1e-4)
    assert np.exp(evalues.log_evidence_above(errors, labels, alpha=alpha)) == pytest.approx(
        above / (1 - weight), rel=1e-4
    )


def runs(rate: float) -> tuple[np.ndarray, np.ndarray]:
    errors = np.cumsum(np.random.default_rng(11).random((RUNS, LABELS)) < rate, axis=1)
    return errors, np.broadcast_to(np.arange(1, LABELS + 1), errors.shape)


def test_a_rate_just_above_the_claim_is_seldom_certified_though_one_looks_after_every_label():
    errors, labels = runs(0.0501)
    certified = evalues.log_evidence_below(errors, labels, alpha=0.05).max(axis=1) >= np.log(20)
    naive = (stats.binom.cdf(errors[:, 58:], labels[:, 58:], 0.05) <= 0.05).any(axis=1)
    assert certified.mean() <= 0.05
    assert naive.mean() > 0.15, "the exact test repeated at every look must be seen to break its promise"


def test_a_claim_that_holds_is_seldom_refuted_though_one_looks_after_every_label():
    errors, labels = runs(0.05)
    assert (evalues.log_evidence_above(errors, labels, alpha=0.05).max(axis=1) >= np.log(20)).mean() <= 0.05


def test_a_claim_that_fails_is_refuted():
    errors, labels = runs(0.15)
    assert (evalues.log_evidence_above(errors, labels, alpha=0.05).max(axis=1) >= np.log(20)).mean() > 0.99


def test_a_million_labels_overflow_nothing():
    for errors in (0, 1, 500_000, 1_000_000):
        below = evalues.log_evidence_below(errors, 1_000_000, alpha=0.01)
        above = evalues.log_evidence_above(errors, 1_000_000, alpha=0.01)
        assert 0 < max(below, above) < np.inf
        assert min(below, above) < 0


def test_a_claim_that_failed_stays_failed_however_good_what_follows():
    error = np.concatenate([np.ones(12, dtype=bool), np.zeros(5000, dtype=bool)])
    found = evalues.refute(error, alpha=0.05, delta=0.05)
    assert found.failed_at is not None
    assert found.failed_at <= 12
    assert (found.labels, found.errors) == (5012, 12)


def test_without_an_error_nothing_speaks_against_a_claim():
    found = evalues.refute(np.zeros(40, dtype=bool), alpha=0.05, delta=0.05)
    assert (found.failed_at, found.log_evidence) == (None, 0.0)
    assert evalues.refute(np.zeros(0, dtype=bool), alpha=0.05, delta=0.05).labels == 0
