"""What audits bound, against the reference and against chance."""

import numpy as np
import pytest
from scipy import stats

from feedback.domain import sampling
from feedback.domain.sampling import Stratum
from tests.feedback.streams import EXPECTED, TOLERANCE, stream

ENDS = TOLERANCE["interval_endpoints"]


@pytest.mark.parametrize("name", EXPECTED["audit"])
def test_the_error_of_what_ran_alone_is_that_of_the_reference(name):
    given, expected = stream(name), EXPECTED["audit"][name]["auto_error"]
    alone = given.ran_alone
    found = sampling.estimate_error(given.probability[alone], given.labelled[alone], given.overridden[alone])
    assert found.labelled == EXPECTED["audit"][name]["audited"]
    for figure in ("ht", "ht_se", "hajek", "hajek_se"):
        assert getattr(found, figure) == pytest.approx(expected[figure], abs=TOLERANCE["ht"])
    assert found.guaranteed == pytest.approx(expected["interval95_guaranteed"], abs=ENDS)
    assert found.korn_graubard == pytest.approx(expected["interval95_korn_graubard"], abs=ENDS)
    assert [[one.errors, one.labelled, one.size] for one in found.strata] == expected["strata_k_n_N"]


@pytest.mark.parametrize("errors", [2, 30])
def test_the_guaranteed_interval_misses_no_more_often_than_it_says(errors):
    chance, size, missed, draws = np.random.default_rng(31), 900, 0, 200
    probability = np.where(np.arange(size) < 600, 0.05, 0.15)
    error = np.zeros(size, dtype=bool)
    for _ in range(draws):
        error[:] = False
        error[chance.permutation(size)[:errors]] = True
        labelled = chance.random(size) < probability
        found = sampling.estimate_error(probability, labelled, error).guaranteed
        missed += not found.lower <= errors / size <= found.upper
    assert missed / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)


def test_a_window_that_was_labelled_whole_is_known():
    assert sampling.stratified_interval((Stratum(1.0, 7, 70, 70),)) == (0.1, 0.1)


def test_a_part_that_nobody_labelled_could_be_all_wrong():
    interval = sampling.stratified_interval((Stratum(1.0, 0, 50, 50), Stratum(0.02, 0, 0, 50)))
    assert interval == (0.0, 0.5)


def test_an_interval_never_excludes_the_errors_that_were_seen():
    assert sampling.hypergeometric_interval(5, 5, 40)[0] >= 5
    assert sampling.hypergeometric_interval(0, 40, 40) == (0, 0)


@pytest.mark.parametrize(("errors", "labelled", "size"), [(0, 10, 12), (3, 50, 400), (7, 70, 4000), (1, 1, 30)])
def test_the_interval_is_that_of_the_distribution_itself(errors, labelled, size):
    possible = np.arange(errors, size - labelled + errors + 1)
    most = possible[stats.hypergeom.cdf(errors, size, possible, labelled) > 0.025].max()
    least = possible[stats.hypergeom.sf(errors - 1, size, possible, labelled) > 0.025].min()
    assert sampling.hypergeometric_interval(errors, labelled, size, level=0.95) == (least, most)


def test_nothing_labelled_says_so():
    with pytest.raises(sampling.NothingLabelled):
        sampling.estimate_error(np.full(9, 0.1), np.zeros(9, dtype=bool), np.zeros(9, dtype=bool))


def test_a_reviewer_who_waves_everything_through_cannot_tell_right_from_wrong():
    assert sampling.known_answer_sensitivity(0, 20, 0, 20) == pytest.approx(0)
    assert sampling.known_answer_sensitivity(20, 20, 0, 20) == pytest.approx(3.96, abs=0.01)
    assert sampling.known_answer_sensitivity(20, 20, 20, 20) == pytest.approx(0)
