"""Evidence that may be looked at as often as one likes.

An e-value is a bet against a claim, at odds that are fair if the claim holds: by Ville's inequality the fortune ever
reaches 1/δ with probability δ at most, however often one looks and whenever one stops. Sources: Ville (1939);
Ramdas, Grünwald, Vovk and Shafer (2023), "Game-theoretic statistics and safe anytime-valid inference"; the bets here
are Beta(½, ½) mixtures of binomial likelihoods over one side of α.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from feedback.domain.rates import Floats

HALF = 0.5


def log_evidence_below(errors: ArrayLike, labels: ArrayLike, *, alpha: float) -> Floats:
    """Evidence (ln e) against "the error rate is above α": large means that it is at most α.

    `errors` and `labels` are counts of one shape. The mixture is cut to [0, α].
    """
    k, n = _counts(errors, labels)
    return _log_ratio(k, n, alpha, special.betainc)


def log_evidence_above(errors: ArrayLike, labels: ArrayLike, *, alpha: float) -> Floats:
    """Evidence (ln e) against "the error rate is at most α": large means that the claim failed.

    The mixture is cut to [α, 1]. A likelihood ratio of p1 > α against α shrinks on average for every rate up to α, so
    this is a fair bet against the whole claim and not only against its edge.
    """
    k, n = _counts(errors, labels)
    return _log_ratio(k, n, alpha, special.betaincc)


@dataclass(frozen=True, slots=True)
class Refutation:
    """How far labels speak against a claim. `failed_at` is the number of the label at which it failed, from 1."""

    labels: int
    errors: int
    log_evidence: float  # the largest that it ever was; 0 before the first label
    log_limit: float
    failed_at: int | None


def refute(error: NDArray[np.bool_], *, alpha: float, delta: float) -> Refutation:
    """Watches errors of shape (n,), in the order of arrival, against the claim that their rate is at most α.

    The claim has failed once the evidence ever reached 1/δ. It only grows at an error, so only there one need look.
    """
    at = np.flatnonzero(error)
    evidence = log_evidence_above(np.arange(1, len(at) + 1), at + 1, alpha=alpha)
    over = np.flatnonzero(evidence >= np.log(1 / delta))
    return Refutation(
        labels=len(error),
        errors=len(at),
        log_evidence=max(0.0, float(evidence.max(initial=0.0))),
        log_limit=float(np.log(1 / delta)),
        failed_at=int(at[over[0]]) + 1 if len(over) else None,
    )


def _log_ratio(k: Floats, n: Floats, alpha: float, share: Callable[..., Floats]) -> Floats:
    # A share too small for a number is one of evidence far below 1: nothing is lost when it becomes −∞.
    with np.errstate(divide="ignore"):
        inside = np.log(share(HALF + k, HALF + n - k, alpha)) - np.log(share(HALF, HALF, alpha))
    likelihood = special.betaln(HALF + k, HALF + n - k) - special.betaln(HALF, HALF)
    return np.asarray(likelihood + inside - k * np.log(alpha) - (n - k) * np.log1p(-alpha), dtype=float)


def labels_needed_continuously(*, alpha: float, delta: float) -> int:
    """How many labels without one error certify α, looked at continuously: 377, 188 and 74 for 1, 2 and 5 %."""
    wanted = np.log(1 / delta)
    most = 1
    while log_evidence_below(0, most, alpha=alpha) < wanted:
        most *= 2
    counts = np.arange(most // 2, most + 1)
    return int(counts[np.argmax(log_evidence_below(0, counts, alpha=alpha) >= wanted)])


def _counts(errors: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    k, n = np.broadcast_arrays(np.asarray(errors, dtype=float), np.asarray(labels, dtype=float))
    return k, n
