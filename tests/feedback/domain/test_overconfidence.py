"""A watch over stated confidences that rings when they are too high, and seldom otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.domain.calibration import calibrate, ece_band
from feedback.domain.overconfidence import OVER_AT, REMEMBERED, watch_confidence
from tests.feedback.streams import NAMES, stream

CHANCE = np.random.default_rng(2026)


def labels(n: int, *, too_sure_by: float = 0.0, chance: np.random.Generator = CHANCE) -> tuple[np.ndarray, np.ndarray]:
    """Confidences mostly near 1, and errors of an AI that is by so much less often right than it says."""
    confidence = chance.beta(5, 1, size=n)
    return confidence, chance.random(n) < np.clip(1 - confidence + too_sure_by, 0, 1)


@pytest.mark.parametrize("name", NAMES)
def test_no_real_stream_raises_an_alarm_at_any_look(name):
    of = stream(name)
    assert not any(
        watch_confidence(of.confidence[:look], of.error[:look]).is_alarming
        for look in range(100, len(of.confidence) + 1, 100)
    )


def test_a_calibrated_ai_is_left_alone_over_many_looks_where_a_test_at_each_look_would_cry_wolf():
    chance = np.random.default_rng(5)
    rung = fooled = 0
    for _ in range(100):
        confidence, error = labels(3000, chance=chance)
        looks = range(100, 3001, 100)
        rung += any(watch_confidence(confidence[:n], error[:n]).is_alarming for n in looks)
        fooled += any(
            ece_band(confidence[:n], error[:n], draws=200).lower > ece_band(confidence[:n], error[:n]).when_perfect
            and calibrate(confidence[:n], error[:n]).accuracy < confidence[:n].mean()
            for n in looks
        )
    # In 3,000 labels at most 3,000 / 50,000 of the runs on average; 12 of 100 are beyond chance.
    assert rung <= 12
    assert fooled > 25, "the same runs show what looking at the calibration error each time would do"


@pytest.mark.parametrize(("by", "within"), [(0.05, 2500), (0.1, 700), (0.3, 150)])
def test_confidences_that_are_too_high_are_noticed(by, within):
    confidence, error = labels(within, too_sure_by=by, chance=np.random.default_rng(8))
    found = watch_confidence(confidence, error)
    assert found.is_alarming
    assert found.whole.interval.upper < found.whole.stated


def test_too_much_in_one_band_does_not_hide_behind_too_little_in_another():
    chance = np.random.default_rng(9)
    confidence = np.where(np.arange(2000) % 2, 0.95, 0.55)
    error = chance.random(2000) < np.where(confidence > 0.9, 0.2, 0.3)
    assert error.mean() == pytest.approx((1 - confidence).mean(), abs=0.03)
    found = watch_confidence(confidence, error)
    assert found.is_alarming
    assert (found.worst.band, found.worst.errors / found.worst.n) == (9, pytest.approx(0.2, abs=0.04))


def test_a_change_for_the_worse_is_noticed_after_much_that_was_good_and_its_beginning_is_found():
    chance = np.random.default_rng(10)
    good, worse = labels(4000, chance=chance), labels(500, too_sure_by=0.15, chance=chance)
    found = watch_confidence(np.concatenate([good[0], worse[0]]), np.concatenate([good[1], worse[1]]))
    assert found.is_alarming
    assert 3800 < found.first < 4200


def test_underconfidence_is_no_alarm():
    assert not watch_confidence(*labels(5000, too_sure_by=-0.1)).is_alarming


def test_a_model_that_was_put_right_is_believed_again_after_as_many_labels_as_are_remembered():
    chance = np.random.default_rng(12)
    worse, good = labels(3000, too_sure_by=0.2, chance=chance), labels(REMEMBERED, chance=chance)
    alarmed = watch_confidence(*worse)
    assert alarmed.is_alarming
    assert not alarmed.is_over
    after = watch_confidence(np.concatenate([worse[0], good[0]]), np.concatenate([worse[1], good[1]]))
    assert after.is_over


def test_between_raising_and_ending_lies_a_factor_of_a_hundred():
    """So that one label more or less does neither after the other."""
    confidence, error = labels(2000, too_sure_by=0.12, chance=np.random.default_rng(13))
    first = next(n for n in range(1, 2000) if watch_confidence(confidence[:n], error[:n]).is_alarming)
    right = np.full(3, 0.95), np.zeros(3, dtype=bool)
    found = watch_confidence(np.concatenate([confidence[:first], right[0]]), np.concatenate([error[:first], right[1]]))
    assert not found.is_over
    assert found.log_evidence > np.log(OVER_AT)


def test_certainty_that_was_wrong_is_evidence_and_no_infinity():
    found = watch_confidence(np.ones(50), np.arange(50) % 5 == 0)
    assert found.is_alarming
    assert np.isfinite(found.log_evidence)


def test_without_labels_nothing_is_said():
    found = watch_confidence(np.empty(0), np.empty(0, dtype=bool))
    assert (found.labels, found.whole, found.worst, found.is_alarming, found.is_over) == (0, None, None, False, True)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_whatever_comes_the_evidence_is_that_of_the_plain_recursion(given_labels):
    """R ← (1 + R) × the likelihood ratio, written out."""
    confidence = np.array([c for c, _ in given_labels])
    error = np.array([wrong for _, wrong in given_labels])
    total = 0.0
    for band in (None, *range(10)):
        for odds in (1.5, 2.0, 4.0):
            r = 0.0
            for c, wrong in given_labels:
                if band is None or min(9, int(c * 10)) == band:
                    claimed = min(1 - c + 0.01, 1.0)
                    r = (1 + r) * (odds if wrong else 1.0) / (1 + (odds - 1) * claimed)
            total += r * (0.5 if band is None else 0.05) / 3
    assert np.exp(watch_confidence(confidence, error).log_evidence) == pytest.approx(total)
