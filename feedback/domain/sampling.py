"""What a random sample of audits says of everything that ran alone.

For a window of N decisions that ran alone, each labelled with its own probability π: `probability` of shape (N,) in
(0, 1], `labelled` whether it was, `error` whether the AI was wrong (ignored where not labelled). Sources: Horvitz and
Thompson (1952); Hájek (1971); Korn and Graubard (1998), "Confidence intervals for proportions with small expected
number of positive counts"; the hypergeometric interval as in Wright (1991), "Exact confidence bounds when sampling
from small finite universes". Wald's interval appears nowhere: at the error rates that matter it is wrong.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from feedback.domain.calibration import effective_n
from feedback.domain.rates import LEVEL, Floats, Interval, clopper_pearson


class Stratum(NamedTuple):
    """All decisions of one label probability: k errors among the n labelled, of N."""

    probability: float
    errors: int
    labelled: int
    size: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """An error rate over a finite window. `guaranteed` holds at its level whatever the errors are; others nearly."""

    size: int
    labelled: int
    ht: float
    ht_se: float
    hajek: float
    hajek_se: float
    guaranteed: Interval
    korn_graubard: Interval
    strata: tuple[Stratum, ...]


class NothingLabelled(ValueError):
    """No decision of the window was labelled, so nothing can be said."""


def estimate_error(
    probability: Floats, labelled: NDArray[np.bool_], error: NDArray[np.bool_], *, level: float = LEVEL
) -> Estimate:
    """The error rate of a window, decision by decision, with its intervals. Raises NothingLabelled."""
    return estimate_of(stratify(probability, labelled, error), level=level)


def estimate_of(strata: tuple[Stratum, ...], *, level: float = LEVEL) -> Estimate:
    """The same from counts by stratum: decisions of one probability are alike. Raises NothingLabelled."""
    size, labelled = sum(stratum.size for stratum in strata), sum(stratum.labelled for stratum in strata)
    if labelled == 0:
        raise NothingLabelled
    pi, k, n = (np.array(column, dtype=float) for column in zip(*(one[:3] for one in strata), strict=True))
    weight = 1 / pi
    ht = float((k * weight).sum() / size)
    hajek = float((k * weight).sum() / (n * weight).sum())
    spread = (1 - pi) * weight**2
    hajek_se = float(np.sqrt((spread * (k * (1 - hajek) ** 2 + (n - k) * hajek**2)).sum()) / (n * weight).sum())
    return Estimate(
        size=size,
        labelled=labelled,
        ht=ht,
        ht_se=float(np.sqrt((spread * k).sum()) / size),
        hajek=hajek,
        hajek_se=hajek_se,
        guaranteed=stratified_interval(strata, level=level),
        korn_graubard=korn_graubard(hajek, se=hajek_se, weight=np.repeat(weight, n.astype(int)), level=level),
        strata=strata,
    )


def stratify(probability: Floats, labelled: NDArray[np.bool_], error: NDArray[np.bool_]) -> tuple[Stratum, ...]:
    """One stratum for each probability that occurs, the surely labelled first, then upward."""
    values, place = np.unique(probability, return_inverse=True)
    size = np.bincount(place, minlength=len(values))
    n = np.bincount(place[labelled], minlength=len(values))
    k = np.bincount(place[labelled & error], minlength=len(values))
    order = sorted(range(len(values)), key=lambda i: (values[i] < 1, values[i]))
    return tuple(Stratum(float(values[i]), int(k[i]), int(n[i]), int(size[i])) for i in order)


def stratified_interval(strata: tuple[Stratum, ...], *, level: float = LEVEL) -> Interval:
    """The exact interval of the window's error rate, guaranteed over several label probabilities.

    What may go wrong is split evenly over the strata that leave something open (Bonferroni); a stratum that was
    labelled whole is known, and one of which nothing was labelled is anything from none to all.
    """
    size = sum(stratum.size for stratum in strata)
    open_strata = sum(0 < stratum.labelled < stratum.size for stratum in strata)
    least = most = 0
    for stratum in strata:
        lower, upper = hypergeometric_interval(
            stratum.errors, stratum.labelled, stratum.size, level=1 - (1 - level) / max(1, open_strata)
        )
        least, most = least + lower, most + upper
    return Interval(least / size, most / size) if size else Interval(0.0, 1.0)


def hypergeometric_interval(errors: int, labelled: int, size: int, *, level: float = LEVEL) -> tuple[int, int]:
    """How many errors, least and most, N decisions hold of which n were drawn at random and k were wrong."""
    if labelled == 0:
        return 0, size
    possible = range(errors, size - labelled + errors + 1)
    tail = (1 - level) / 2

    def at_most(drawn: int, wrong: int) -> float:
        return _drawn_at_most(drawn, labelled=labelled, wrong=wrong, size=size)

    most = possible[bisect_left(possible, True, key=lambda wrong: at_most(errors, wrong) <= tail) - 1]
    least = possible[bisect_left(possible, True, key=lambda wrong: 1 - at_most(errors - 1, wrong) > tail)]
    return least, most


def _drawn_at_most(errors: int, *, labelled: int, wrong: int, size: int) -> float:
    """The hypergeometric distribution function. By special functions alone: scipy.stats takes 45 MiB a process."""
    drawn = np.arange(max(0, labelled - (size - wrong)), min(errors, wrong, labelled) + 1)
    if len(drawn) == 0:
        return 0.0
    ways = _log_choose(wrong, drawn) + _log_choose(size - wrong, labelled - drawn) - _log_choose(size, labelled)
    return float(np.exp(special.logsumexp(ways)))


def _log_choose(n: int, k: ArrayLike) -> Floats:
    k = np.asarray(k)
    chosen: Floats = -special.betaln(n - k + 1, k + 1) - np.log1p(n)
    return chosen


def korn_graubard(share: float, *, se: float, weight: Floats, level: float = LEVEL) -> Interval:
    """Clopper and Pearson's interval at the n that the weights leave: never more than were labelled."""
    n = float(len(weight))
    effective = share * (1 - share) / se**2 if 0 < share < 1 and se > 0 else effective_n(weight)
    lower, upper = clopper_pearson(share * min(n, effective), min(n, effective), level=level)
    return Interval(float(lower), float(upper))


def known_answer_sensitivity(caught: int, shown: int, false_overrides: int, right_shown: int) -> float:
    """d′ of a reviewer: how far wrong proposals stand out from right ones to them.

    Both shares with +0.5/+1, so that a perfect score stays finite. Source: Hautus (1995), "Corrections for extreme
    proportions and their biasing effects on estimated values of d′".
    """
    hits = (caught + 0.5) / (shown + 1)
    false_alarms = (false_overrides + 0.5) / (right_shown + 1)
    return float(special.ndtri(hits) - special.ndtri(false_alarms))
