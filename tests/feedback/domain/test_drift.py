"""A drift watch that fires when errors rise, and seldom otherwise."""

import numpy as np
import pytest

from feedback.domain import drift
from tests.feedback.streams import EXPECTED, stream


def test_the_watch_fires_where_the_reference_does():
    expected = EXPECTED["drift"]
    found = drift.watch(stream("support_drift").error)
    assert found.p0 == pytest.approx(expected["p0_upper95"], abs=1e-6)
    assert found.alarm_at == expected["p0_upper95_shiryaev_roberts_arl50000_alarm_at"]
    assert expected["change_at"] < found.alarm_at


def test_what_it_was_before_the_new_release_raises_no_alarm():
    before = stream("support_drift").error[: EXPECTED["drift"]["change_at"] - 1]
    assert drift.watch(before).alarm_at is None


def test_false_alarms_are_rare_and_a_tripled_rate_is_noticed_within_the_hundreds():
    chance = np.random.default_rng(37)
    false_alarms, delays = 0, []
    for _ in range(200):
        calm = chance.random(3000) < 0.05
        false_alarms += drift.watch(calm).alarm_at is not None
        worse = np.concatenate([calm[:2000], chance.random(1000) < 0.15])
        found = drift.watch(worse)
        if found.alarm_at and found.alarm_at > 2000:
            delays.append(found.alarm_at - 2000)
    assert false_alarms / 200 <= 0.05
    assert np.median(delays) < 150


def test_without_a_reference_there_is_no_watch_and_it_says_so():
    found = drift.watch(np.zeros(640, dtype=bool))
    assert (found.p0, found.alarm_at, found.labels_missing) == (None, None, 360)


def test_a_reference_that_was_mostly_wrong_is_no_reference():
    found = drift.watch(np.ones(1200, dtype=bool))
    assert found.p1 is None
    assert found.alarm_at is None


def test_the_statistic_stays_a_number_long_after_the_alarm():
    found = drift.watch(np.concatenate([np.zeros(1000, dtype=bool), np.ones(500, dtype=bool)]))
    assert np.isfinite(found.last)
