"""Whether the AI says that it is surer than it is, to be asked again with each label.

A calibration error computed anew after each label is no test: noise alone gives some, and whoever looks long enough
sees what they look for. So this bets, label by label, against "at confidence c at most 1 − c + MARGIN are wrong". A bet
multiplies the odds of that error rate by a factor and is fair or worse while the claim holds; as in the drift watch a
new bet starts at each label, R ← (1 + R) × the likelihood ratio, and half of the stakes go on all labels, half on each
tenth of the scale, since too much in one place may hide behind too little in another. The weighted sum of the R is an
e-detector: while the claim holds, the mean number of labels to a false alarm at R ≥ A is at least A, however often one
looks. Forgetting old labels only makes R smaller. That holds of labels that come in the order of their decisions, as
audits and gates by and large do; one that comes late is put in its place, and what stood after it is reckoned anew.

Sources: Shin, Ramdas and Rinaldo (2024), "E-detectors"; Arnold, Henzi and Ziegel (2023), "Sequentially valid tests for
forecast calibration".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback.domain.drift import ALARM_AT
from feedback.domain.rates import HIDDEN_BELOW, Floats, Interval, clopper_pearson

# So much less often right than it said is nobody's concern: no AI is calibrated to the last decimal.
MARGIN = 0.01
ODDS = (1.5, 2.0, 4.0)
BANDS = 10
# What was long ago no longer speaks; so a model that was put right is believed again after as many labels at most.
REMEMBERED = 5000
# An alarm ends at a hundredth of the evidence that raised it: one label more or less then neither ends nor raises it.
OVER_AT = ALARM_AT / 100


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the AI said of itself and how it was, over n labels. `band` is a tenth of the scale, None for all of it."""

    band: int | None
    n: int
    errors: int
    stated: float  # the mean confidence
    interval: Interval  # of how often it was right: Clopper–Pearson

    @property
    def right(self) -> float:
        """How often it was right."""
        return 1 - self.errors / self.n

    @property
    def surely_off(self) -> float:
        """By how much it was less often right than stated, at the least; below 0 where that may be chance."""
        return self.stated - self.interval.upper


@dataclass(frozen=True, slots=True)
class Overconfidence:
    """Where the watch stands after `labels`. `first` is the place of the label since which the evidence has grown.

    `whole` and `bands` are of the labels from `first` on; bands with fewer than ten are left out.
    """

    labels: int
    log_evidence: float  # ln R; −∞ before the first label
    first: int
    whole: Stretch | None
    bands: tuple[Stretch, ...]

    @property
    def is_alarming(self) -> bool:
        """Whether the confidences are surely too high."""
        return bool(self.log_evidence >= np.log(ALARM_AT))

    @property
    def is_over(self) -> bool:
        """Whether so little speaks for it that an alarm may end."""
        return bool(self.log_evidence < np.log(OVER_AT))

    @property
    def worst(self) -> Stretch | None:
        """The band in which the AI is most surely less often right than it says."""
        return max(self.bands, key=lambda band: band.surely_off, default=self.whole)


def watch_confidence(confidence: Floats, error: NDArray[np.bool_]) -> Overconfidence:
    """Runs over labels of shape (n,) of the random sample, in the order of arrival; confidences are in [0, 1]."""
    confidence, error = confidence[-REMEMBERED:], error[-REMEMBERED:]
    n = len(confidence)
    if not n:
        return Overconfidence(labels=0, log_evidence=-np.inf, first=0, whole=None, bands=())
    claimed = np.minimum(1 - confidence + MARGIN, 1.0)
    band = np.minimum(BANDS - 1, (confidence * BANDS).astype(int))
    parts = [(0.5, np.arange(n)), *((0.5 / BANDS, np.flatnonzero(band == one)) for one in np.unique(band))]
    bets = [
        (np.log(stake / len(ODDS)) + evidence, int(members[start]))
        for stake, members in parts
        for evidence, start in (_bet(claimed[members], error[members], odds=odds) for odds in ODDS)
    ]
    first = max(bets)[1]
    stretches = [_stretch(one, confidence[first:], error[first:], band[first:] == one) for one in np.unique(band)]
    return Overconfidence(
        labels=n,
        log_evidence=float(np.logaddexp.reduce([evidence for evidence, _ in bets])),
        first=first,
        whole=_stretch(None, confidence[first:], error[first:], np.ones(n - first, dtype=bool)),
        bands=tuple(one for one in stretches if one is not None and one.n >= HIDDEN_BELOW),
    )


def _bet(claimed: Floats, error: NDArray[np.bool_], *, odds: float) -> tuple[float, int]:
    """Give ln R after the last label, and the place of the label at which the best of its bets began."""
    step = np.where(error, np.log(odds), 0.0) - np.log1p((odds - 1) * claimed)
    total = np.cumsum(step)
    before = np.concatenate([[0.0], total[:-1]])
    return float(total[-1] + np.logaddexp.reduce(-before)), int(np.argmin(before))


def _stretch(band: int | None, confidence: Floats, error: NDArray[np.bool_], of: NDArray[np.bool_]) -> Stretch | None:
    n, errors = int(of.sum()), int(error[of].sum())
    if not n:
        return None
    lower, upper = clopper_pearson(n - errors, n)
    return Stretch(
        band=band if band is None else int(band),
        n=n,
        errors=errors,
        stated=float(confidence[of].mean()),
        interval=Interval(float(lower), float(upper)),
    )
