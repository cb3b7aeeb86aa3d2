"""Agreement among people against statsmodels, krippendorff and the reference."""

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from statsmodels.stats import inter_rater

from feedback.domain import agreement
from tests.feedback.streams import EXPECTED, TOLERANCE, stream

CLOSE = TOLERANCE["kappa_alpha"]


@pytest.mark.parametrize("name", ["question_quality", "moderation"])
def test_votes_agree_as_the_reference_says(name):
    found, expected = agreement.agreement_of_votes(stream(name).votes), EXPECTED["agreement"][name]
    assert (found.items, found.votes, found.fleiss_items) == tuple(
        expected[figure] for figure in ("items", "votes", "fleiss_items")
    )
    assert found.alpha == pytest.approx(expected["krippendorff_alpha_nominal"], abs=CLOSE)
    assert found.ac1 == pytest.approx(expected["gwet_ac1"], abs=CLOSE)
    assert found.fleiss == pytest.approx(expected["fleiss_kappa"], abs=CLOSE)
    assert found.unanimous == pytest.approx(expected["unanimous_share"], abs=CLOSE)
    # A bootstrap has noise of its own: its ends move by a tenth of the width.
    assert found.alpha_interval == pytest.approx(expected["alpha_bootstrap95"], abs=0.005)


def test_pairs_agree_as_the_reference_says():
    rows, expected = stream("question_quality.double_reviews").rows, EXPECTED["agreement"]["double_reviews"]
    table = agreement.count_pairs([row["first"] for row in rows], [row["second"] for row in rows])
    found = agreement.agreement_of_pairs(table)
    assert found.n == expected["pairs"]
    assert found.agreement == pytest.approx(expected["observed_agreement"], abs=CLOSE)
    assert found.kappa == pytest.approx(expected["cohen_kappa"], abs=CLOSE)
    assert found.interval == pytest.approx(expected["interval95"], abs=TOLERANCE["interval_endpoints"])


tables = arrays.arrays(np.int64, st.integers(2, 4).map(lambda n: (n, n)), elements=st.integers(0, 60))


@given(tables)
def test_kappa_and_its_interval_are_those_of_statsmodels(table):
    assume((table.sum(axis=0) > 0).sum() > 1 and (table.sum(axis=1) > 0).sum() > 1)
    oracle = inter_rater.cohens_kappa(table)
    found = agreement.agreement_of_pairs(table.astype(float))
    assert found.kappa == pytest.approx(oracle.kappa, abs=1e-9)
    assert found.interval == pytest.approx((max(-1, oracle.kappa_low), min(1, oracle.kappa_upp)), abs=1e-6)


@given(arrays.arrays(np.int64, st.tuples(st.integers(5, 30), st.integers(2, 4)), elements=st.integers(0, 5)))
def test_alpha_is_that_of_krippendorff_with_gaps_and_all(votes):
    paired = votes[votes.sum(axis=1) >= 2]
    assume(len(paired) and (paired.sum(axis=0) > 0).sum() > 1)
    oracle = krippendorff.alpha(value_counts=votes, level_of_measurement="nominal")
    assert agreement.krippendorff_alpha(paired.astype(float)) == pytest.approx(oracle, abs=1e-9)


@given(arrays.arrays(np.int64, st.tuples(st.integers(5, 30), st.just(3)), elements=st.integers(0, 4)))
def test_fleiss_is_that_of_statsmodels(votes):
    votes = np.column_stack([votes, 12 - votes.sum(axis=1)])
    assume((votes.sum(axis=0) > 0).sum() > 1)
    assert agreement.fleiss_kappa(votes.astype(float)) == pytest.approx(inter_rater.fleiss_kappa(votes), abs=1e-9)


def test_people_who_always_say_the_same_agree_perfectly():
    table = np.array([[40.0, 0.0], [0.0, 0.0]])
    assert agreement.agreement_of_pairs(table).kappa == 1.0
    votes = agreement.agreement_of_votes(np.array([[2, 0]] * 60))
    assert (votes.alpha, votes.ac1, votes.fleiss, votes.unanimous) == (1.0, 1.0, 1.0, 1.0)


def test_a_rare_answer_lowers_kappa_and_not_ac1():
    votes = np.array([[2, 0]] * 95 + [[1, 1]] * 5)
    found = agreement.agreement_of_votes(votes)
    assert found.alpha < 0.1
    assert found.ac1 > 0.9


def test_single_votes_are_no_agreement():
    with pytest.raises(agreement.TooFewVotes):
        agreement.agreement_of_votes(np.array([[1, 0], [0, 1]]))
    with pytest.raises(agreement.TooFewVotes):
        agreement.agreement_of_pairs(np.zeros((2, 2)))
