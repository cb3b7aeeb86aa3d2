"""Whether a confidence means what it says: of all that the AI is 90 % sure of, are nine in ten right?

Everywhere `confidence` and `error` are arrays of shape (n,), confidence in [0, 1], error true where the AI was not
right; `weight` is 1/π, the inverse of the probability with which a decision came to be labelled, so that the human
queue, which is full of hard cases, does not stand for all traffic. Sources: Guo and others (2017), "On calibration of
modern neural networks", for the bins and ECE; Murphy (1973), "A new vector partition of the probability score"; Kish
(1965) for the effective n; Korn and Graubard (1998) for the bars of weighted bins.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback.domain.rates import HIDDEN_BELOW, Floats, Interval, clopper_pearson

BINS = 15
LOG_LOSS_CLIP = 1e-6


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a reliability diagram. Where `hidden`, there are too few labels to say anything."""

    number: int
    n: int
    confidence: float
    accuracy: float
    interval: Interval
    hidden: bool

    @property
    def least(self) -> float:
        """The lowest confidence in it, of `BINS` equally wide ones."""
        return self.number / BINS

    @property
    def below(self) -> float | None:
        """The confidence from which on the next bin begins; the last has none."""
        return None if self.number == BINS - 1 else (self.number + 1) / BINS


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration of n labelled decisions. `ece_when_perfect` is what a perfectly calibrated AI would show."""

    n: int
    effective_n: float
    ece: float
    mce: float
    ece_equal_mass: float
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    log_loss: float
    mean_confidence: float
    accuracy: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """How far an ECE could be from chance alone."""

    lower: float
    upper: float
    when_perfect: float


class NoLabels(ValueError):
    """Nothing was labelled, so nothing can be said."""


def calibrate(confidence: Floats, error: NDArray[np.bool_], *, weight: Floats | None = None) -> Calibration:
    """All figures at once. Raises NoLabels for empty arrays."""
    n = len(confidence)
    if n == 0:
        raise NoLabels
    right = 1.0 - error
    w = np.ones(n) if weight is None else weight
    total = w.sum()
    place = equal_width(confidence)
    mass, mean_confidence, accuracy = _by_bin(place, confidence, right, w, BINS)
    filled = mass > 0
    share = mass[filled] / total
    gap = np.abs(accuracy[filled] - mean_confidence[filled])
    base = float((w * right).sum() / total)
    clipped = np.clip(confidence, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return Calibration(
        n=n,
        effective_n=effective_n(w),
        ece=float((share * gap).sum()),
        mce=float(gap.max()),
        ece_equal_mass=_ece(equal_mass(confidence), confidence, right, w),
        brier=float((w * (confidence - right) ** 2).sum() / total),
        reliability=float((share * gap**2).sum()),
        resolution=float((share * (accuracy[filled] - base) ** 2).sum()),
        uncertainty=base * (1 - base),
        log_loss=float(-(w * (right * np.log(clipped) + error * np.log1p(-clipped))).sum() / total),
        mean_confidence=float((w * confidence).sum() / total),
        accuracy=base,
        bins=_bins(place, mean_confidence, accuracy, right, w),
    )


def equal_width(confidence: Floats) -> NDArray[np.intp]:
    """The bin of each confidence: b/15 ≤ c < (b+1)/15, 1.0 in the last."""
    return np.clip(np.searchsorted(np.arange(BINS + 1) / BINS, confidence, side="right") - 1, 0, BINS - 1)


def equal_mass(confidence: Floats) -> NDArray[np.intp]:
    """The bin of each confidence by rank, in a stable order: 15 bins of sizes that differ by one at most."""
    place = np.empty(len(confidence), dtype=np.intp)
    order = np.argsort(confidence, kind="stable")
    for number, members in enumerate(np.array_split(order, BINS)):
        place[members] = number
    return place


def effective_n(weight: Floats) -> float:
    """(Σw)²/Σw²: how many equally weighted labels say as much (Kish)."""
    square = float((weight**2).sum())
    return float(weight.sum()) ** 2 / square if square else 0.0


def ece_band(
    confidence: Floats, error: NDArray[np.bool_], *, weight: Floats | None = None, draws: int = 1000, seed: int = 1
) -> Band:
    """The 95 % bootstrap band of the equal-width ECE, and the mean ECE of a perfectly calibrated AI at this n.

    The plug-in ECE is biased upward, since noise in a bin only adds to it; the second figure shows by how much. A bin
    enters an ECE by one sum, its gap, which the Poisson bootstrap (Hanley and MacGibbon 2006) spreads normally about
    what it is, with the variance of its terms squared: so that is what is drawn, and a million labels cost one pass.
    """
    if len(confidence) == 0:
        raise NoLabels
    w = np.ones(len(confidence)) if weight is None else weight
    place = equal_width(confidence)

    def by_bin(term: Floats) -> Floats:
        return np.bincount(place, weights=term, minlength=BINS).astype(float)

    gap = w * (1.0 - error - confidence)
    spread = np.sqrt(by_bin(gap**2))
    noise = np.random.default_rng(seed).standard_normal((draws, BINS))
    lower, upper = np.quantile(np.abs(by_bin(gap) + spread * noise).sum(axis=1) / w.sum(), (0.025, 0.975))
    # The mean of |N(0, σ²)| is σ√(2/π).
    when_perfect = np.sqrt(2 / np.pi * by_bin(w**2 * confidence * (1 - confidence))).sum() / w.sum()
    return Band(lower=float(lower), upper=float(upper), when_perfect=float(when_perfect))


def _by_bin(
    place: NDArray[np.intp], confidence: Floats, right: Floats, weight: Floats, bins: int
) -> tuple[Floats, Floats, Floats]:
    mass = np.bincount(place, weights=weight, minlength=bins).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(place, weights=weight * confidence, minlength=bins) / mass
        accuracy = np.bincount(place, weights=weight * right, minlength=bins) / mass
    return mass, mean, accuracy


def _ece(place: NDArray[np.intp], confidence: Floats, right: Floats, weight: Floats) -> float:
    gaps = np.bincount(place, weights=weight * (right - confidence), minlength=BINS)
    return float(np.abs(gaps).sum() / weight.sum())


def _bins(
    place: NDArray[np.intp], confidence: Floats, accuracy: Floats, right: Floats, weight: Floats
) -> tuple[Bin, ...]:
    bins = []
    for number in np.unique(place):
        members = place == number
        n = int(members.sum())
        # Weighted labels count for fewer: Kish's effective n, as Korn and Graubard do it. Unweighted it is n.
        n_effective = min(float(n), effective_n(weight[members]))
        share = float(np.clip(accuracy[number], 0, 1))
        lower, upper = clopper_pearson(share * n_effective, n_effective)
        bins.append(
            Bin(
                number=int(number),
                n=n,
                confidence=float(confidence[number]),
                accuracy=share,
                interval=Interval(float(lower), float(upper)),
                hidden=n < HIDDEN_BELOW,
            )
        )
    return tuple(bins)
