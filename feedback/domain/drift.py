"""Whether errors have risen since the evidence was taken.

Shiryaev and Roberts: R ← (1 + R) × the likelihood ratio of p1 against p0, an alarm at R ≥ A. While the error rate is
at most p0, the mean number of labels to a false alarm is at least A. Sources: Shiryaev (1963); Roberts (1966); Pollak
(1985), "Optimal detection of a change in distribution". p0 is the *upper* bound of the reference, since a p0 that is
too low by chance would ring all day.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback.domain.rates import Floats, upper_bound

REFERENCE = 1000
ALARM_AT = 50_000.0
RISE = 2.0
# Beyond this an alarm has long been raised; the cap keeps the statistic a finite number.
LARGEST = 1e12


@dataclass(frozen=True, slots=True)
class Watch:
    """A drift watch over the labels of one threshold row, in order. Numbers of labels count from 1.

    Without a reference there is no watch: `p0` is None and `labels_missing` says how many it lacks.
    """

    labels: int
    labels_missing: int
    p0: float | None
    p1: float | None
    statistic: Floats
    alarm_at: int | None

    @property
    def last(self) -> float:
        """Where the statistic stands now."""
        return float(self.statistic[-1]) if len(self.statistic) else 0.0


def watch(
    error: NDArray[np.bool_], *, reference: int = REFERENCE, alarm_at: float = ALARM_AT, level: float = 0.95
) -> Watch:
    """Runs over errors of shape (n,), in the order of arrival; the first `reference` of them set p0."""
    n = len(error)
    if n < reference:
        return Watch(labels=n, labels_missing=reference - n, p0=None, p1=None, statistic=np.empty(0), alarm_at=None)
    p0 = float(upper_bound(int(error[:reference].sum()), reference, delta=1 - level))
    p1 = RISE * p0
    if p1 >= 1:
        # Half of the reference was wrong: nothing worse is left to detect, and nothing here is fit to run alone.
        return Watch(labels=n, labels_missing=0, p0=p0, p1=None, statistic=np.empty(0), alarm_at=None)
    if_wrong, if_right = p1 / p0, (1 - p1) / (1 - p0)
    statistic = np.empty(n - reference)
    r = 0.0
    for place, wrong in enumerate(error[reference:].tolist()):
        r = min(LARGEST, (1 + r) * (if_wrong if wrong else if_right))
        statistic[place] = r
    over = np.flatnonzero(statistic >= alarm_at)
    return Watch(
        labels=n,
        labels_missing=0,
        p0=p0,
        p1=p1,
        statistic=statistic,
        alarm_at=reference + int(over[0]) + 1 if len(over) else None,
    )
