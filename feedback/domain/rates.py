"""Shares with their uncertainty: what k of n says, and what it leaves open.

Counts may be whole numbers or arrays of one shape; intervals are fractions. Sources: Wilson (1927), "Probable
inference"; Clopper and Pearson (1934), "The use of confidence or fiducial limits"; Brown, Cai and DasGupta (2001),
"Interval estimation for a binomial proportion", for why never Wald's.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.floating[Any]]

# A share of fewer is noise: it is counted, and not shown.
HIDDEN_BELOW = 10
LEVEL = 0.95


class Interval(NamedTuple):
    """Two fractions with the true one between them, at the level asked for."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Rate:
    """k of n, with its interval."""

    count: int
    total: int
    interval: Interval

    @property
    def hidden(self) -> bool:
        """Whether there are too few to show a share."""
        return self.total < HIDDEN_BELOW

    @property
    def share(self) -> float:
        """k/n; 0 where n is 0."""
        return self.count / self.total if self.total else 0.0


def override_rate(count: int, total: int, *, level: float = LEVEL) -> Rate:
    """The share of verdicts that were no plain approval, with Wilson's interval."""
    lower, upper = wilson(count, total, level=level)
    return Rate(count=count, total=total, interval=Interval(float(lower), float(upper)))


def wilson(count: ArrayLike, total: ArrayLike, *, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Wilson's score interval, two-sided. 0 to 1 where the total is 0."""
    k, n = _counts(count, total)
    z = float(special.ndtri((1 + level) / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # Where nothing or everything was counted the ends are exact; floating point would leave them just beside.
    lower = np.where(n > 0, np.where(k == 0, 0.0, np.clip(middle - half, 0, 1)), 0.0)
    upper = np.where(n > 0, np.where(k == n, 1.0, np.clip(middle + half, 0, 1)), 1.0)
    return lower, upper


def clopper_pearson(count: ArrayLike, total: ArrayLike, *, level: float = LEVEL) -> tuple[Floats, Floats]:
    """The exact binomial interval, two-sided. Takes fractional counts too, as Korn and Graubard need them."""
    tail = (1 - level) / 2
    return lower_bound(count, total, delta=tail), upper_bound(count, total, delta=tail)


def upper_bound(count: ArrayLike, total: ArrayLike, *, delta: float) -> Floats:
    """The exact one-sided upper bound of a binomial share: it is missed with probability δ at most."""
    k, n = _counts(count, total)
    inside = k < n
    bound = special.betaincinv(np.where(inside, k + 1, 1.0), np.where(inside, n - k, 1.0), 1 - delta)
    return np.where(inside, bound, 1.0)


def lower_bound(count: ArrayLike, total: ArrayLike, *, delta: float) -> Floats:
    """The exact one-sided lower bound of a binomial share."""
    k, n = _counts(count, total)
    inside = k > 0
    bound = special.betaincinv(np.where(inside, k, 1.0), np.where(inside, n - k + 1, 1.0), delta)
    return np.where(inside, bound, 0.0)


def clean_bound(total: int, *, level: float = LEVEL) -> float:
    """The error rate that so many clean audits bound: 300 at 95 % bound it below 1 %, 30 below 9.5 %."""
    return float(upper_bound(0, total, delta=1 - level))


def _counts(count: Any, total: Any) -> tuple[Floats, Floats]:
    k, n = np.broadcast_arrays(np.asarray(count, dtype=float), np.asarray(total, dtype=float))
    if np.any(k < 0) or np.any(k > n):
        raise ValueError("A count is between 0 and its total.")
    return k, n
