"""Recommended thresholds: the reference's, and the promise kept over many draws."""

import numpy as np
import pytest
from mapie.control_risk.p_values import compute_hoeffding_bentkus_p_value
from scipy import stats

from feedback.domain import thresholds
from feedback.domain.thresholds import GRID
from tests.feedback.streams import EXPECTED, OLDER, stream

CASES = [
    (name, float(alpha.removeprefix("alpha_")), figures)
    for name, by_alpha in EXPECTED["recommendation_all_actions"].items()
    if name != "convention"
    for alpha, figures in by_alpha.items()
]
METHODS = [
    (thresholds.recommend_fixed_sequence, "fixed_sequence"),
    (thresholds.recommend_multi_start, "multi_start"),
    (thresholds.recommend_continuous, "multi_anytime"),
]


def test_the_grid_is_that_of_the_reference():
    assert EXPECTED["conventions"]["grid"] == GRID.tolist()


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("name", ["support", "moderation", "question_quality"])
def test_the_exact_p_values_are_those_of_mapie(name, alpha):
    given = stream(name)
    sample = thresholds.count_sample(given.confidence, given.error)
    some = sample.reached > 0
    errors, labels = sample.errors[some].astype(float), sample.reached[some].astype(float)
    # Of a risk that is 0 or 1 its bound of Hoeffding and Bentkus is the exact binomial's.
    # It rounds the count up again, so that it is given a trifle less.
    oracle = compute_hoeffding_bentkus_p_value((errors - 1e-6).clip(0) / labels, labels, alpha, binary=True)[:, 0]
    found = np.exp(-thresholds._exact(errors, labels, alpha))
    assert found == pytest.approx(oracle, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(("name", "alpha", "figures"), CASES)
def test_each_method_recommends_what_the_reference_does(name, alpha, figures):
    given = stream(name)
    older = given.confidence[:OLDER]
    sample = thresholds.count_sample(given.confidence[OLDER:], given.error[OLDER:])
    for recommend, method in METHODS:
        found, expected = recommend(sample, older=older, alpha=alpha), figures[method]
        assert found.threshold == expected["threshold"], method
        if found.threshold is None:
            assert found.why_none
            continue
        assert (found.n, found.errors) == (expected["n"], expected["errors"])
        assert found.auto_rate == pytest.approx(expected["auto_rate"], abs=1e-6)
        assert found.bound == pytest.approx(expected["upper_bound_95"], abs=2e-4)


@pytest.mark.parametrize(("name", "alpha", "figures"), CASES)
def test_a_page_that_was_always_open_recommends_no_less_and_nothing_that_its_labels_would_not_bear(
    name, alpha, figures
):
    given = stream(name)
    error = given.error[OLDER:]
    sample = thresholds.count_sample(given.confidence[OLDER:], error, looks=thresholds.looks_up_to(len(error)))
    found = thresholds.recommend_continuous(sample, older=given.confidence[:OLDER], alpha=alpha)
    at_the_end = figures["multi_anytime"]["threshold"]
    assert (found.threshold or 1) <= (at_the_end or 1)
    if found.threshold != at_the_end:
        assert stats.binom.cdf(found.errors, found.n, alpha) <= 0.05
        assert found.auto_rate >= 0.9 * figures["multi_start"]["auto_rate"]


# --- The promise, by simulation -------------------------------------------------------------------------------------

DELTA = 0.05
DRAWS = 400


def true_error(alpha_at: float, steepness: float):
    """Errors that fall with confidence, so that the rate above `alpha_at` of confidence is known by integration."""
    fine = np.linspace(0.5, 1, 20_001)

    def rate(confidence):
        return np.clip(0.35 * ((1 - confidence) / 0.5) ** steepness + alpha_at, 0, 1)

    above = np.cumsum(rate(fine)[::-1])[::-1] / np.arange(len(fine), 0, -1)
    return rate, lambda threshold: np.interp(threshold, fine, above)


CASES_OF_CHANCE = [
    pytest.param(0.05, *true_error(0.015, 1.0), 1500, id="the promise is within reach"),
    pytest.param(0.05, *true_error(0.0495, 3.0), 1500, id="hardly any threshold keeps it"),
    pytest.param(0.02, *true_error(0.021, 1.0), 2000, id="no threshold keeps it"),
]


def margin(share: float) -> float:
    """Three standard errors of a share over the draws."""
    return 3 * float(np.sqrt(share * (1 - share) / DRAWS))


def draw(chance, rate, n):
    confidence = chance.uniform(0.5, 1, n)
    return confidence, chance.random(n) < rate(confidence)


def breaks(threshold: float | None, error_above, alpha: float) -> bool:
    return threshold is not None and error_above(threshold) > alpha


@pytest.mark.parametrize(("alpha", "rate", "error_above", "n"), CASES_OF_CHANCE)
def test_a_certified_threshold_breaks_its_promise_in_no_more_draws_than_it_says(alpha, rate, error_above, n):
    chance = np.random.default_rng(23)
    broken, naive_broken = np.zeros(2), 0
    for _ in range(DRAWS):
        older, _ = draw(chance, rate, 500)
        sample = thresholds.count_sample(*draw(chance, rate, n))
        for place, recommend in enumerate((thresholds.recommend_multi_start, thresholds.recommend_fixed_sequence)):
            broken[place] += breaks(
                recommend(sample, older=older, alpha=alpha, delta=DELTA).threshold, error_above, alpha
            )
        naive_broken += breaks(naive(sample, alpha), error_above, alpha)
    assert (broken / DRAWS <= DELTA + margin(DELTA)).all(), broken / DRAWS
    assert naive_broken / DRAWS > 2 * DELTA, "this test must be able to see a broken promise"


def naive(sample: thresholds.Sample, alpha: float) -> float | None:
    """The rule that must appear nowhere: the lowest threshold whose observed error is small enough."""
    with np.errstate(invalid="ignore", divide="ignore"):
        fits = np.flatnonzero(sample.errors / sample.reached <= alpha)
    return float(GRID[fits[-1]]) if len(fits) else None


@pytest.mark.parametrize(("alpha", "rate", "error_above", "n"), CASES_OF_CHANCE[:2])
def test_sixty_looks_at_the_page_break_the_promise_no_more_often_than_one(alpha, rate, error_above, n):
    chance = np.random.default_rng(29)
    looks = np.linspace(n / 60, n, 60).astype(np.intp)
    broken = repeated = 0
    for _ in range(DRAWS):
        older, _ = draw(chance, rate, 500)
        sample = thresholds.count_sample(*draw(chance, rate, n), looks=looks)
        shown = [at_look(sample, look, alpha, older) for look in range(14, 60, 15)]
        broken += any(breaks(threshold, error_above, alpha) for threshold in shown)
        repeated += any_look_passes(sample, error_above, alpha)
    assert broken / DRAWS <= DELTA + margin(DELTA), broken / DRAWS
    assert repeated / DRAWS > 2 * DELTA, "the exact test repeated at every look must be seen to break its promise"


def at_look(sample: thresholds.Sample, look: int, alpha: float, older: np.ndarray) -> float | None:
    """What the page shows at one look, having looked at all before."""
    reached, errors = sample.looks_reached[: look + 1], sample.looks_errors[: look + 1]
    until = thresholds.Sample(
        n=int(reached[-1].max()), reached=reached[-1], errors=errors[-1], looks_reached=reached, looks_errors=errors
    )
    return thresholds.recommend_continuous(until, older=older, alpha=alpha, delta=DELTA).threshold


def any_look_passes(sample: thresholds.Sample, error_above, alpha: float) -> bool:
    """Whether the exact test, repeated at each look, ever passes a threshold that is not good enough."""
    bad = error_above(GRID) > alpha
    passed = stats.binom.cdf(sample.looks_errors, sample.looks_reached, alpha) <= DELTA
    return bool((passed & bad & (sample.looks_reached > 0)).any())


# --- What it says when there is nothing to recommend ----------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "labels"), [(0.01, 299), (0.02, 149), (0.05, 59)])
def test_one_look_needs_so_many_labels_without_an_error(alpha, labels):
    assert thresholds.labels_needed(alpha=alpha, delta=0.05) == labels


def test_too_few_labels_are_told_apart_from_too_many_errors():
    older = np.full(100, 0.9)
    few = thresholds.recommend_multi_start(
        thresholds.count_sample(np.full(20, 0.9), np.zeros(20, dtype=bool)), older=older, alpha=0.05
    )
    assert few.threshold is None
    assert few.why_none.startswith("Too few labels: 0 of 20 labels")
    assert few.labels_missing == 59 - 20
    wrong = thresholds.recommend_multi_start(
        thresholds.count_sample(np.full(500, 0.9), np.arange(500) % 4 == 0), older=older, alpha=0.05
    )
    assert wrong.threshold is None
    assert wrong.why_none.startswith("Too many errors: 125 of 500 labels")


def test_the_labels_said_to_be_missing_are_just_enough():
    older = np.full(100, 0.9)
    error = np.zeros(200, dtype=bool)
    error[0] = True

    def after(labels, recommend):
        grown = np.concatenate([error, np.zeros(labels, dtype=bool)])
        return recommend(thresholds.count_sample(np.full(len(grown), 0.9), grown), older=older, alpha=0.01)

    for recommend in (thresholds.recommend_multi_start, thresholds.recommend_continuous):
        missing = after(0, recommend).labels_missing
        assert missing > 0
        # More traffic opens more starts, each of which has to show more: the figure is for the starts of now.
        assert after(missing, recommend).threshold is not None or after(2 * missing, recommend).threshold is not None


def test_an_empty_sample_recommends_nothing():
    empty = thresholds.count_sample(np.empty(0), np.empty(0, dtype=bool))
    for recommend, _ in METHODS:
        found = recommend(empty, older=np.empty(0), alpha=0.05)
        assert (found.threshold, found.n) == (None, 0)
        assert found.labels_missing >= 59


def test_looks_are_the_same_whatever_came_after():
    assert set(thresholds.looks_up_to(500)) <= set(thresholds.looks_up_to(5000))
    assert thresholds.looks_up_to(0).size == 0


def test_cells_counted_elsewhere_make_the_same_sample():
    given = stream("credit_small")
    looks = np.array([50, 100, 200])
    one = thresholds.count_sample(given.confidence, given.error, looks=looks)
    assert one.n == 300
    assert one.looks_reached.shape == (4, len(GRID))
    half = thresholds.count_sample(given.confidence[:100], given.error[:100])
    assert (one.looks_reached[1] == half.reached).all()
    assert (one.looks_errors[1] == half.errors).all()
