"""How far people agree with each other: the ceiling of what an AI can be right about.

Votes are counts of shape (items, categories). Sources: Cohen (1960) with the variance of Fleiss, Cohen and Everitt
(1969); Fleiss (1971); Krippendorff (2019), "Content analysis", chapter 12; Gwet (2008), "Computing inter-rater
reliability and its variance in the presence of high agreement", for AC1, which stands beside the others because theirs
fall when one answer is rare, however well people agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from feedback.domain.rates import LEVEL, Floats, Interval

# From so many pairs an agreement is shown.
LEAST_PAIRS = 50
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two verdicts on each of n items."""

    n: int
    agreement: float
    kappa: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Votes:
    """Any number of verdicts on each item. `fleiss` is over the items with the usual number of votes."""

    items: int
    votes: int
    alpha: float
    alpha_interval: Interval
    ac1: float
    unanimous: float
    fleiss: float
    fleiss_items: int


class TooFewVotes(ValueError):
    """No item has two votes, so there is nothing to agree on."""


def count_pairs(first: list[str], second: list[str]) -> Floats:
    """A table of shape (answers, answers): how often the first person said this and the second that."""
    answers = {answer: place for place, answer in enumerate(sorted({*first, *second}))}
    table = np.zeros((len(answers), len(answers)))
    np.add.at(table, ([answers[answer] for answer in first], [answers[answer] for answer in second]), 1)
    return table


def votes_of_pairs(pairs: Sequence[tuple[str, str]]) -> Counts:
    """Counts of shape (pairs, answers): how many of the two said this."""
    answers = {answer: place for place, answer in enumerate(sorted({one for pair in pairs for one in pair}))}
    votes = np.zeros((len(pairs), len(answers)), dtype=np.int64)
    for item, pair in enumerate(pairs):
        for answer in pair:
            votes[item, answers[answer]] += 1
    return votes


def agreement_of_pairs(table: Floats, *, level: float = LEVEL) -> Pairs:
    """Raw agreement and Cohen's κ of a square table of counts. κ is 1 where everyone always said the same."""
    n = table.sum()
    if n == 0:
        raise TooFewVotes
    p = table / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, expected = float(np.trace(p)), float(rows @ columns)
    if expected >= 1:
        return Pairs(n=int(n), agreement=observed, kappa=1.0, interval=Interval(1.0, 1.0))
    kappa = (observed - expected) / (1 - expected)
    diagonal = np.diag(p)
    both = rows[None, :] + columns[:, None]
    on = (diagonal * (1 - (rows + columns) * (1 - kappa)) ** 2).sum()
    off = (1 - kappa) ** 2 * ((p * both**2).sum() - (diagonal * np.diag(both) ** 2).sum())
    variance = (on + off - (kappa - expected * (1 - kappa)) ** 2) / ((1 - expected) ** 2 * n)
    half = float(special.ndtri((1 + level) / 2)) * float(np.sqrt(max(0.0, variance)))
    return Pairs(
        n=int(n),
        agreement=observed,
        kappa=float(kappa),
        interval=Interval(max(-1.0, float(kappa) - half), min(1.0, float(kappa) + half)),
    )


def agreement_of_votes(votes: Counts, *, draws: int = 500, seed: int = 1, level: float = LEVEL) -> Votes:
    """Krippendorff's α (nominal) with a bootstrap over items, Gwet's AC1, Fleiss' κ. Raises TooFewVotes."""
    per_item = votes.sum(axis=1)
    paired = per_item >= 2
    if not paired.any():
        raise TooFewVotes
    counts = votes[paired].astype(float)
    usual = int(np.bincount(per_item[paired]).argmax())
    full = votes[per_item == usual].astype(float)
    return Votes(
        items=len(counts),
        votes=int(counts.sum()),
        alpha=krippendorff_alpha(counts),
        alpha_interval=_bootstrap_alpha(counts, draws=draws, seed=seed, level=level),
        ac1=gwet_ac1(counts),
        unanimous=float((counts.max(axis=1) == counts.sum(axis=1)).mean()),
        fleiss=fleiss_kappa(full),
        fleiss_items=len(full),
    )


def krippendorff_alpha(counts: Floats) -> float:
    """Nominal α of counts with at least two votes an item; 1 where only one answer occurs."""
    return float(_alpha(_disagreement(counts).sum(), counts.sum(axis=0)))


def gwet_ac1(counts: Floats) -> float:
    """AC1 of counts with at least two votes an item; 1 where only one answer occurs."""
    m = counts.sum(axis=1)
    observed = ((counts * (counts - 1)).sum(axis=1) / (m * (m - 1))).mean()
    share = (counts / m[:, None]).mean(axis=0)
    used = int((share > 0).sum())
    if used < 2:
        return 1.0
    expected = (share * (1 - share)).sum() / (counts.shape[1] - 1)
    return float((observed - expected) / (1 - expected))


def fleiss_kappa(counts: Floats) -> float:
    """κ of counts with the same number of votes on each item; 1 where only one answer occurs."""
    m = counts[0].sum()
    observed = ((counts * (counts - 1)).sum(axis=1) / (m * (m - 1))).mean()
    expected = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    return 1.0 if expected >= 1 else float((observed - expected) / (1 - expected))


def _disagreement(counts: Floats) -> Floats:
    """Of each item: its disagreeing ordered pairs over m − 1."""
    m = counts.sum(axis=1)
    return np.asarray((m**2 - (counts**2).sum(axis=1)) / (m - 1))


def _alpha(disagreement: Floats, totals: Floats) -> Floats:
    n = totals.sum(axis=-1)
    expected = n**2 - (totals**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected > 0, 1 - (n - 1) * disagreement / expected, 1.0)


def _bootstrap_alpha(counts: Floats, *, draws: int, seed: int, level: float) -> Interval:
    chance = np.random.default_rng(seed)
    n = len(counts)
    # Drawing items with replacement is drawing how often each occurs.
    times = chance.multinomial(n, np.full(n, 1 / n), size=draws).astype(float)
    drawn = _alpha(times @ _disagreement(counts), times @ counts)
    lower, upper = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(lower), float(upper))
