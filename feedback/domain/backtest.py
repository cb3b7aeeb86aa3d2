"""What a draft policy would have done with past decisions, and what is known of the errors it would let through.

Arrays of shape (n,), one entry a past decision. `draft_auto`: the draft would let it run alone. `probability`: with
which it came to be labelled under the policies of its time: 1 in the human queue, q of the random sample where it ran
alone, 0 where nobody could ever have looked. `draft_audit_rate`: q under the draft.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from feedback.domain.rates import LEVEL, Floats, Interval, clopper_pearson
from feedback.domain.sampling import NothingLabelled, Stratum, estimate_error


@dataclass(frozen=True, slots=True)
class Effect:
    """A draft over n past decisions.

    `error` is the error rate among what the draft would automate, or None: *not identified*, because nobody ever
    looked at `unidentified` of it, a share. `interval` always stands: where a part is not identified, that part counts
    as no error at its lower and as all errors at its upper end. `identified_error` is the rate over the rest, and
    `identified_interval` its own.
    """

    n: int
    auto: int
    auto_rate: float
    auto_rate_interval: Interval
    to_review: int
    review_hours: float
    expected_audits: float
    error: float | None
    error_se: float | None
    identified_error: float | None
    identified_interval: Interval
    interval: Interval
    unidentified: float
    strata: tuple[Stratum, ...]
    labelled: int


def effect_of(
    draft_auto: NDArray[np.bool_],
    *,
    probability: Floats,
    labelled: NDArray[np.bool_],
    error: NDArray[np.bool_],
    draft_audit_rate: Floats,
    median_seconds: float,
    level: float = LEVEL,
) -> Effect:
    """The effect of a draft. `median_seconds` is what one review takes."""
    n, auto = len(draft_auto), int(draft_auto.sum())
    lower, upper = clopper_pearson(auto, n, level=level)
    seen = draft_auto & (probability > 0)
    unseen = auto - int(seen.sum())
    known: tuple[float, float, Interval, tuple[Stratum, ...], int] | None = None
    try:
        found = estimate_error(probability[seen], labelled[seen], error[seen], level=level)
        known = (found.ht, found.ht_se, found.guaranteed, found.strata, found.labelled)
    except NothingLabelled:
        unseen = auto
    share = unseen / auto if auto else 0.0
    rate, se, inside, strata, count = known or (None, None, Interval(0.0, 1.0), (), 0)
    identified = known is not None and unseen == 0
    return Effect(
        n=n,
        auto=auto,
        auto_rate=auto / n if n else 0.0,
        auto_rate_interval=Interval(float(lower), float(upper)),
        to_review=n - auto,
        review_hours=(n - auto) * median_seconds / 3600,
        expected_audits=float(draft_audit_rate[draft_auto].sum()),
        error=rate if identified else None,
        error_se=se if identified else None,
        identified_error=rate,
        identified_interval=inside,
        interval=Interval(inside.lower * (1 - share), inside.upper * (1 - share) + share) if auto else Interval(0, 1),
        unidentified=share,
        strata=strata,
        labelled=count,
    )


class Change(NamedTuple):
    """A decision that changes sides. `stakes`: how hard it is to undo, from 0; `distance`: of the confidence from the
    draft's threshold, None where one of the two is missing.
    """

    decision: UUID
    wrong: bool
    stakes: int
    amount: Decimal | None
    distance: Decimal | None


def most_at_stake(changes: Iterable[Change], *, most: int) -> list[Change]:
    """The `most` that are worth reading first: known to be wrong, then the hardest to undo, then the largest amounts.

    Among equals, those nearest to the threshold, and of those the newest. Amounts are compared as they are written.
    """
    return heapq.nsmallest(most, changes, key=_place)


def _place(change: Change) -> tuple[bool, int, bool, Decimal, bool, Decimal, int]:
    amount, distance = change.amount, change.distance
    return (
        not change.wrong,
        -change.stakes,
        amount is None,
        -(amount or _ZERO),
        distance is None,
        distance or _ZERO,
        -change.decision.int,  # Ids are in the order of arrival.
    )


_ZERO = Decimal(0)
