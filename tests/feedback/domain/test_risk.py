"""Risk and coverage against the reference figures."""

import numpy as np
import pytest

from feedback.domain import risk
from tests.feedback.streams import EXPECTED, NAMES, TOLERANCE, stream


@pytest.mark.parametrize("name", NAMES)
def test_a_streams_curve_is_that_of_the_reference(name):
    given, expected = stream(name), EXPECTED["streams"][name]
    found = risk.risk_coverage(given.confidence, given.error)
    assert found.aurc == pytest.approx(expected["aurc"], abs=TOLERANCE["aurc"])
    assert found.aurc_oracle == pytest.approx(expected["aurc_oracle"], abs=TOLERANCE["aurc"])
    assert found.excess == pytest.approx(expected["e_aurc"], abs=TOLERANCE["aurc"])
    assert found.coverage[-1] == 1.0
    assert found.risk[-1] == pytest.approx(given.error.mean())


@pytest.mark.parametrize("name", NAMES)
def test_the_points_of_a_streams_curve_are_those_of_the_reference(name):
    given, expected = stream(name), EXPECTED["streams"][name]["risk_coverage"]
    points = risk.operating_points(given.confidence, given.error, thresholds=np.array([float(t) for t in expected]))
    for point, reference in zip(points, expected.values(), strict=True):
        assert (point.n, point.errors) == (reference["n"], reference["errors"])
        assert point.coverage == pytest.approx(reference["coverage"], abs=1e-6)
        assert point.risk == (None if reference["risk"] is None else pytest.approx(reference["risk"], abs=1e-6))


def test_ties_enter_as_one_block():
    found = risk.risk_coverage(np.array([0.9, 0.9, 0.9, 0.4]), np.array([True, False, False, False]))
    assert found.threshold.tolist() == [0.9, 0.4]
    assert found.risk.tolist() == [pytest.approx(1 / 3), 0.25]
    assert found.aurc == pytest.approx((3 * (1 / 3) + 0.25) / 4)


def test_a_weight_of_two_is_the_same_decision_twice():
    confidence, error = np.array([0.9, 0.8, 0.7]), np.array([False, True, False])
    twice = risk.risk_coverage(np.repeat(confidence, 2), np.repeat(error, 2))
    weighted = risk.risk_coverage(confidence, error, weight=np.full(3, 2.0))
    assert weighted.risk == pytest.approx(twice.risk)
    assert weighted.aurc == pytest.approx(twice.aurc)


def test_a_confidence_that_equals_the_threshold_runs_alone():
    thresholds = np.array([0.9, 0.8])
    counts, errors = risk.counts_above(np.array([0.9, 0.8, 0.79]), np.array([True, False, True]), thresholds=thresholds)
    assert counts.tolist() == [1, 2]
    assert errors.tolist() == [1, 1]


def test_nothing_labelled_says_so():
    with pytest.raises(risk.NoLabels):
        risk.risk_coverage(np.empty(0), np.empty(0, dtype=bool))
