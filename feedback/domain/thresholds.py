"""The recommended threshold, with its promise.

The claim: "with confidence 1 − δ, the error rate among the decisions that would run alone at t is at most α." Its
sample is the flagged decisions of one action and model, in the order of arrival, each of which was labelled (or counts
as an error): a plain random sample of traffic, so that exact tests hold without weights.

The lowest threshold with a small enough *observed* error would be chosen from the very data that then vouch for it,
and breaks its promise in most samples. Instead thresholds are tested in an order fixed beforehand, and the first that
fails ends it. Source: Angelopoulos, Bates, Candès, Jordan and Lei (2021), "Learn then test", section 5.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from feedback.domain.evalues import log_evidence_below
from feedback.domain.rates import Floats, upper_bound
from feedback.domain.risk import first_threshold
from policies.domain.figures import per_cent

GRID: Floats = np.array([0.999, 0.998, 0.995, *(round(1 - step / 100, 2) for step in range(1, 51))])
FACTORS = (1.3, 2.5, 5.0, 10.0)
DELTA = 0.05
ONE_START = (2.5,)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A threshold with its evidence, or why there is none.

    `sample` is how many decisions were looked at, `n` how many of them reach the threshold. `starts` are the thresholds
    at which testing began. Where none qualifies, `n` and `errors` are those of the start
    that came nearest, and `labels_missing` is how many more labels without an error would certify it.
    """

    alpha: float
    delta: float
    threshold: float | None
    sample: int
    n: int
    errors: int
    auto_rate: float
    bound: float
    starts: tuple[float, ...]
    why_none: str = ""
    labels_missing: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """Labels counted by threshold: `reached[i]` decisions have c ≥ GRID[i], with `errors[i]` errors, of n.

    `looks_reached` and `looks_errors` are the same at earlier moments, of shape (looks, len(GRID)), the last row
    being now.
    """

    n: int
    reached: Floats
    errors: Floats
    looks_reached: Floats
    looks_errors: Floats


def labels_needed(*, alpha: float, delta: float) -> int:
    """⌈ln δ / ln(1−α)⌉: how many labels without one error certify α in one look. 299, 149 and 59 for 1, 2 and 5 %."""
    return int(np.ceil(np.log(delta) / np.log1p(-alpha)))


def count_sample(confidence: Floats, error: NDArray[np.bool_], *, looks: NDArray[np.intp] | None = None) -> Sample:
    """Counts labels, in the order of arrival, in one pass. `looks` are numbers of labels; now is always one."""
    n = len(confidence)
    ends = np.append(looks[looks < n] if looks is not None else np.empty(0, dtype=np.intp), n)
    place = first_threshold(confidence, GRID)
    look = np.searchsorted(ends, np.arange(n), side="right")
    shape = (len(ends), len(GRID) + 1)
    cell = look * shape[1] + place
    size = shape[0] * shape[1]
    return from_cells(
        np.bincount(cell, minlength=size).reshape(shape),
        np.bincount(cell[error], minlength=size).reshape(shape),
    )


def from_cells(counts: NDArray, errors: NDArray) -> Sample:
    """A sample from counts by look and by first threshold reached, of shape (looks, len(GRID) + 1)."""
    reached = np.cumsum(np.cumsum(counts, axis=0), axis=1, dtype=float)
    wrong = np.cumsum(np.cumsum(errors, axis=0), axis=1, dtype=float)
    return Sample(
        n=int(reached[-1, -1]),
        reached=reached[-1, :-1],
        errors=wrong[-1, :-1],
        looks_reached=reached[:, :-1],
        looks_errors=wrong[:, :-1],
    )


def looks_up_to(n: int, *, growth: float = 1.02) -> NDArray[np.intp]:
    """Numbers of labels at which a page that is always open has looked: fixed for ever, denser in the beginning.

    Any fixed set of looks keeps the promise; these waste little against looking after each label.
    """
    if n < 1:
        return np.empty(0, dtype=np.intp)
    powers = growth ** np.arange(int(np.log(n) / np.log(growth)) + 1)
    return np.unique(np.ceil(powers).astype(np.intp))


def starts(
    older: Floats, *, n: int, alpha: float, delta: float, factors: tuple[float, ...] = FACTORS
) -> NDArray[np.intp]:
    """Where testing begins: indices of the grid, from the highest threshold down.

    From the confidences of *older* traffic, never from this sample's own counts: for each factor the highest t that
    should bring factor × n0 labels.
    """
    needed = labels_needed(alpha=alpha, delta=delta)
    if len(older) == 0:
        return np.empty(0, dtype=np.intp)
    reached = np.cumsum(np.bincount(first_threshold(older, GRID), minlength=len(GRID) + 1))[:-1] / len(older)
    found = [int(np.argmax(enough)) for factor in factors if (enough := n * reached >= factor * needed).any()]
    return np.unique(np.array(found, dtype=np.intp))


def recommend_multi_start(
    sample: Sample, *, older: Floats, alpha: float, delta: float = DELTA, factors: tuple[float, ...] = FACTORS
) -> Recommendation:
    """One look: up to four sequences, each at δ/J, the lowest certified threshold wins. This is the default."""
    claim = Claim(alpha=alpha, delta=delta, strength=_exact)
    begin = starts(older, n=sample.n, alpha=alpha, delta=delta / len(factors), factors=factors)
    return _lowest(sample, begin, claim=claim, strength=_exact(sample.errors, sample.reached, alpha))


def recommend_fixed_sequence(sample: Sample, *, older: Floats, alpha: float, delta: float = DELTA) -> Recommendation:
    """One look, one sequence at full δ, from the start of factor 2.5."""
    return recommend_multi_start(sample, older=older, alpha=alpha, delta=delta, factors=ONE_START)


def recommend_continuous(
    sample: Sample, *, older: Floats, alpha: float, delta: float = DELTA, factors: tuple[float, ...] = FACTORS
) -> Recommendation:
    """For a page that people refresh: e-values, their running maximum over all looks, certified from J/δ on (Ville).

    A threshold whose labels as they stand now would not pass the exact test is not recommended, whatever was the case
    earlier: that can only take thresholds away.
    """
    claim = Claim(alpha=alpha, delta=delta, strength=_continuous)
    begin = starts(older, n=sample.n, alpha=alpha, delta=delta / len(factors), factors=factors)
    highest = _continuous(sample.looks_errors, sample.looks_reached, alpha).max(axis=0)
    stands = _exact(sample.errors, sample.reached, alpha) >= np.log(1 / delta)
    return _lowest(sample, begin, claim=claim, strength=np.where(stands, highest, -np.inf))


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be shown, and how strongly k errors in n labels show it: certified from ln(J/δ) on."""

    alpha: float
    delta: float
    strength: Callable[[ArrayLike, ArrayLike, float], Floats]


def _exact(errors: ArrayLike, labels: ArrayLike, alpha: float) -> Floats:
    """−ln P(Bin(n, α) ≤ k)."""
    k, n = np.asarray(errors, dtype=float), np.asarray(labels, dtype=float)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(special.betainc(np.maximum(n - k, 0.5), k + 1, 1 - alpha)) * (k < n))


def _continuous(errors: ArrayLike, labels: ArrayLike, alpha: float) -> Floats:
    return log_evidence_below(errors, labels, alpha=alpha)


def _lowest(sample: Sample, begin: NDArray[np.intp], *, claim: Claim, strength: Floats) -> Recommendation:
    """Walks down from each start until the first failure; the lowest threshold that any sequence reached."""
    wanted = float(np.log(max(1, len(begin)) / claim.delta))
    good = strength >= wanted
    reached = []
    for first in begin:
        failed = np.flatnonzero(~good[first:])
        end = int(first + failed[0]) if len(failed) else len(GRID)
        if end > first:
            reached.append(end - 1)
    # Where none passed, the strongest start tells what is missing; where traffic is too thin for a start, the lowest.
    strongest = int(begin[np.argmax(strength[begin])]) if len(begin) else len(GRID) - 1
    best = max(reached, default=strongest)
    n, errors = int(sample.reached[best]), int(sample.errors[best])
    threshold = float(GRID[best])
    missing = 0 if reached else _labels_missing(claim, n=n, errors=errors, wanted=wanted)
    return Recommendation(
        alpha=claim.alpha,
        delta=claim.delta,
        threshold=threshold if reached else None,
        sample=sample.n,
        n=n,
        errors=errors,
        auto_rate=n / sample.n if reached else 0.0,
        bound=float(upper_bound(errors, n, delta=claim.delta)),
        starts=tuple(float(GRID[first]) for first in begin),
        why_none=""
        if reached
        else _why_none(n=n, errors=errors, missing=missing, alpha=claim.alpha, threshold=threshold),
        labels_missing=missing,
    )


def _labels_missing(claim: Claim, *, n: int, errors: int, wanted: float) -> int:
    """How many more labels, without one more error, would be enough."""
    least = max(n, int(np.ceil(errors / claim.alpha)), 1)
    most = least
    while claim.strength(errors, most, claim.alpha) < wanted:
        most *= 2
    counts = np.arange(least, most + 1)
    enough = claim.strength(np.full(len(counts), errors), counts, claim.alpha) >= wanted
    return int(counts[np.argmax(enough)]) - n


def _why_none(*, n: int, errors: int, missing: int, alpha: float, threshold: float) -> str:
    seen = f"{errors} of {n} labels at {threshold:g} and above were wrong"
    if errors > alpha * n:
        return f"Too many errors: {seen}, more than the {per_cent(alpha, 1)} that is to be promised."
    most = per_cent(alpha, 1)
    return f"Too few labels: {seen}; {missing} more without an error would be enough to promise {most} at most."
