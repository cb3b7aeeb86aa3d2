"""What a reviewer's own verdicts look like: shown to that reviewer first."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from statistics import median

from django.contrib.auth.models import User

from feedback.domain.rates import Rate, override_rate
from feedback.queries.known_answers import KnownAnswers, scores_by_reviewer
from policies.domain.vocabulary import VerdictKind
from reviews.models import Verdict

LOOKED_BACK = timedelta(days=28)
MOST_VERDICTS = 5_000


@dataclass(frozen=True, slots=True)
class ReviewerRecord:
    """The last four weeks of one reviewer. Seconds are from shown to decided, on the median."""

    days: int
    median_seconds: float | None
    overrides: Rate
    longest_streak: int  # approvals in a row
    known: KnownAnswers | None


def reviewer_record(user: User, *, now: datetime) -> ReviewerRecord:
    """Two queries, of the newest verdicts. Known answers stay out of every figure but their own."""
    verdicts = list(
        Verdict.objects.standing()
        .by(user)
        .filter(decided_at__gte=now - LOOKED_BACK, ticket__decision__internal=False)
        .newest_first()
        .values_list("kind", "decided_at", "first_shown_at")[:MOST_VERDICTS]
    )
    approved = [kind == VerdictKind.APPROVE for kind, _, _ in verdicts]
    streaks = [len(list(run)) for is_approval, run in groupby(approved) if is_approval]
    return ReviewerRecord(
        days=LOOKED_BACK.days,
        median_seconds=median((end - begin).total_seconds() for _, end, begin in verdicts) if verdicts else None,
        overrides=override_rate(len(approved) - sum(approved), len(approved)),
        longest_streak=max(streaks, default=0),
        known=next(iter(scores_by_reviewer(user=user).values()), None),
    )
