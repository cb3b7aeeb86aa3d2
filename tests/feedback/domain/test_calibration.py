"""Calibration against the reference figures of five real streams."""

import numpy as np
import pytest
from mapie.metrics.calibration import expected_calibration_error

from feedback.domain import calibration
from tests.feedback.streams import EXPECTED, NAMES, TOLERANCE, stream


@pytest.mark.parametrize("name", NAMES)
def test_a_streams_calibration_is_that_of_the_reference(name):
    given = stream(name)
    found = calibration.calibrate(given.confidence, given.error)
    expected = EXPECTED["streams"][name]
    figures = expected["calibration"]
    assert found.n == figures["n"]
    assert found.ece == pytest.approx(figures["ece"], abs=TOLERANCE["ece"])
    assert found.brier == pytest.approx(figures["brier"], abs=TOLERANCE["brier"])
    for name_of_figure in (
        "mce",
        "log_loss",
        "reliability",
        "resolution",
        "uncertainty",
        "mean_confidence",
        "accuracy",
    ):
        assert getattr(found, name_of_figure) == pytest.approx(figures[name_of_figure], abs=1e-6)
    assert found.ece_equal_mass == pytest.approx(expected["ece_equal_mass_15"], abs=TOLERANCE["equal_mass_ece"])


@pytest.mark.parametrize("name", NAMES)
def test_the_ece_is_that_of_mapie(name):
    given = stream(name)
    # To it, bins are the points between them.
    oracle = expected_calibration_error(
        ~given.error, given.confidence, num_bins=calibration.BINS + 1, split_strategy="uniform"
    )
    assert calibration.calibrate(given.confidence, given.error).ece == pytest.approx(oracle, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_bins_shown_are_those_of_the_reference(name):
    given = stream(name)
    shown = [one for one in calibration.calibrate(given.confidence, given.error).bins if not one.hidden]
    expected = EXPECTED["streams"][name]["reliability_bins"]
    assert [(one.number, one.n) for one in shown] == [(one["bin"], one["n"]) for one in expected]
    for one, reference in zip(shown, expected, strict=True):
        assert one.confidence == pytest.approx(reference["confidence"], abs=1e-6)
        assert one.accuracy == pytest.approx(reference["accuracy"], abs=1e-6)
        assert one.interval.lower <= one.accuracy <= one.interval.upper


@pytest.mark.parametrize("name", EXPECTED["audit"])
def test_weights_undo_what_the_human_queue_gets_wrong(name):
    given = stream(name)
    seen, expected = given.labelled, EXPECTED["audit"][name]["calibration"]
    weighted = calibration.calibrate(given.confidence[seen], given.overridden[seen], weight=1 / given.probability[seen])
    queue = seen & ~given.ran_alone
    biased = calibration.calibrate(given.confidence[queue], given.overridden[queue])
    for found, figures in ((weighted, expected["weighted"]), (biased, expected["biased_human_queue_only"])):
        assert found.ece == pytest.approx(figures["ece"], abs=TOLERANCE["ece"])
        assert found.brier == pytest.approx(figures["brier"], abs=TOLERANCE["brier"])
        assert found.accuracy == pytest.approx(figures["accuracy"], abs=1e-6)
    assert weighted.effective_n < weighted.n


def test_a_confidence_on_an_edge_falls_into_the_bin_above_and_one_into_the_last():
    edges = np.arange(16) / 15
    assert calibration.equal_width(edges).tolist() == [*range(15), 14]


def test_bins_of_equal_mass_differ_by_one_at_most():
    sizes = np.bincount(calibration.equal_mass(np.random.default_rng(3).random(100)))
    assert len(sizes) == 15
    assert sizes.max() - sizes.min() <= 1


def test_the_band_holds_what_chance_alone_would_show():
    chance = np.random.default_rng(5)
    confidence = chance.uniform(0.5, 1, 2000)
    error = chance.random(2000) > confidence
    band = calibration.ece_band(confidence, error)
    assert 0 < band.when_perfect < 0.05, "noise alone gives an ECE above nothing"
    assert band.lower < band.upper
    assert band == calibration.ece_band(confidence, error), "a page that is loaded twice shows the same"


def test_the_bootstrap_spreads_as_the_reference_does():
    given = stream("support")
    band = calibration.ece_band(given.confidence, given.error)
    assert (band.upper - band.lower) / 3.92 == pytest.approx(
        EXPECTED["streams"]["support"]["bootstrap_se"]["ece"], rel=0.25
    )


def test_nothing_labelled_says_so():
    with pytest.raises(calibration.NoLabels):
        calibration.calibrate(np.empty(0), np.empty(0, dtype=bool))
