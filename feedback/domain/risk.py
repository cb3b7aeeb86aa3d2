"""How much could run alone, and at what error: the curve.

`confidence` and `error` are arrays of shape (n,). Sources: Geifman and El-Yaniv (2017), "Selective classification for
deep neural networks"; Geifman, Uziel and El-Yaniv (2019) for the excess over the oracle.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback.domain.rates import Floats


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """One point for each confidence that occurs, from the highest down; ties enter as one block."""

    threshold: Floats
    coverage: Floats
    risk: Floats
    aurc: float
    aurc_oracle: float

    @property
    def excess(self) -> float:
        """The area that a perfect order of the same errors would save."""
        return self.aurc - self.aurc_oracle


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold would let run alone."""

    threshold: float
    n: int
    errors: int
    coverage: float
    risk: float | None


class NoLabels(ValueError):
    """Nothing was labelled, so nothing can be said."""


def risk_coverage(confidence: Floats, error: NDArray[np.bool_], *, weight: Floats | None = None) -> RiskCoverage:
    """The curve, its area (the mean risk over coverage 1/n … 1), and the area of an oracle that knows the errors.

    Within a tie the order is unknown: each of its decisions counts with the risk of the whole block.
    """
    n = len(confidence)
    if n == 0:
        raise NoLabels
    w = np.ones(n) if weight is None else weight
    order = np.argsort(-confidence, kind="stable")
    c, e, w = confidence[order], error[order].astype(float), w[order]
    last = np.flatnonzero(np.append(c[1:] != c[:-1], True))
    mass, wrong = np.cumsum(w)[last], np.cumsum(w * e)[last]
    risk = wrong / mass
    block = np.diff(mass, prepend=0.0)
    best = np.argsort(e, kind="stable")
    oracle = np.cumsum((w * e)[best]) / np.cumsum(w[best])
    return RiskCoverage(
        threshold=c[last],
        coverage=mass / mass[-1],
        risk=risk,
        aurc=float((risk * block).sum() / mass[-1]),
        aurc_oracle=float((oracle * w[best]).sum() / mass[-1]),
    )


def operating_points(
    confidence: Floats, error: NDArray[np.bool_], *, thresholds: Floats, weight: Floats | None = None
) -> tuple[OperatingPoint, ...]:
    """Coverage and risk at each threshold, given from the highest down."""
    n = len(confidence)
    w = np.ones(n) if weight is None else weight
    counts, errors = counts_above(confidence, error, thresholds=thresholds)
    mass, wrong = counts_above(confidence, error, thresholds=thresholds, weight=w)
    total = w.sum()
    return tuple(
        OperatingPoint(
            threshold=float(t),
            n=int(counts[i]),
            errors=int(errors[i]),
            coverage=float(mass[i] / total) if total else 0.0,
            risk=float(wrong[i] / mass[i]) if mass[i] else None,
        )
        for i, t in enumerate(thresholds)
    )


def counts_above(
    confidence: Floats, error: NDArray[np.bool_], *, thresholds: Floats, weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """How many decisions, and how many errors, have c ≥ t; thresholds from the highest down. One pass, no sort."""
    w = np.ones(len(confidence)) if weight is None else weight
    place = first_threshold(confidence, thresholds)
    size = len(thresholds) + 1
    counts = np.cumsum(np.bincount(place, weights=w, minlength=size), dtype=float)[:-1]
    errors = np.cumsum(np.bincount(place, weights=w * error, minlength=size), dtype=float)[:-1]
    return counts, errors


def first_threshold(confidence: Floats, thresholds: Floats) -> NDArray[np.intp]:
    """Which of the thresholds, given from the highest down, is the first that each confidence reaches; else len."""
    return len(thresholds) - np.searchsorted(thresholds[::-1], confidence, side="right")
