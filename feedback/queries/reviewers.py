"""What a reviewer's own verdicts look like: shown to that reviewer first."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from statistics import median

from django.contrib.auth.models import User

from feedback.domain.rates import Rate, lower_bound, override_rate
from feedback.domain.sampling import known_answer_sensitivity
from policies.domain.vocabulary import VerdictKind
from reviews.domain.vocabulary import TicketState
from reviews.models import Verdict

LOOKED_BACK = timedelta(days=28)
MOST_VERDICTS = 5_000


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """How a reviewer did where the truth was known. `caught_at_least` is the exact lower bound, at 95 %."""

    wrong_shown: int
    caught: int
    right_shown: int
    false_overrides: int
    caught_at_least: float
    sensitivity: float


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
        known=_known_answers(user),
    )


def _known_answers(user: User) -> KnownAnswers | None:
    answered = (
        Verdict.objects.standing()
        .by(user)
        .filter(ticket__decision__known_answer__isnull=False, ticket__state=TicketState.SETTLED)
        .values_list("kind", "ticket__decision__known_answer__ai_is_right")
    )
    changed = [(kind != VerdictKind.APPROVE, ai_is_right) for kind, ai_is_right in answered]
    if not changed:
        return None
    wrong = [was_changed for was_changed, ai_is_right in changed if not ai_is_right]
    right = [was_changed for was_changed, ai_is_right in changed if ai_is_right]
    return KnownAnswers(
        wrong_shown=len(wrong),
        caught=sum(wrong),
        right_shown=len(right),
        false_overrides=sum(right),
        caught_at_least=float(lower_bound(sum(wrong), len(wrong), delta=0.05)),
        sensitivity=known_answer_sensitivity(sum(wrong), len(wrong), sum(right), len(right)),
    )
