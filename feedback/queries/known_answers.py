"""How reviewers did where the truth was known, and what there is to sow."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, F

from feedback.domain.rates import lower_bound
from feedback.domain.sampling import known_answer_sensitivity
from feedback.models import KnownAnswer, Seed
from policies.models import Workflow
from reviews.domain.judgement import ai_was_right
from reviews.domain.vocabulary import TicketState
from reviews.models import Verdict
from reviews.queries import name_of

SHOWN_SEEDS = 100


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
class Garden:
    """What a workflow has to sow, and what was sown. `right` and `wrong` are seeds in use, by whether the AI was."""

    right: int
    wrong: int
    sown: int
    answered: int
    seeds: tuple[Seed, ...]  # the newest, with `times`


def scores_by_reviewer(*, workflow: Workflow | None = None, user: User | None = None) -> Mapping[str, KnownAnswers]:
    """By the reviewer's name. One query.

    Of first answers only: whoever answers at a later stage was shown what somebody had said. An answer counts once it
    is settled; it is a catch where it says that the AI was wrong, as a label would.
    """
    answered = Verdict.objects.standing().filter(
        stage=1, ticket__decision__known_answer__isnull=False, ticket__state=TicketState.SETTLED
    )
    if workflow is not None:
        answered = answered.filter(ticket__workflow=workflow)
    if user is not None:
        answered = answered.by(user)
    by_reviewer: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    rows = answered.select_related("reviewer").only(
        "kind", "material", "reviewer__username", "reviewer__first_name", "reviewer__last_name"
    )
    for verdict in rows.annotate(ai_is_right=F("ticket__decision__known_answer__ai_is_right")):
        says_right = ai_was_right(verdict.kind, material=verdict.material)
        by_reviewer[name_of(verdict.reviewer)].append((not says_right, vars(verdict)["ai_is_right"]))
    return {name: _score(by_reviewer[name]) for name in sorted(by_reviewer)}


def garden_of(workflow: Workflow) -> Garden:
    """Four queries."""
    kinds = dict(
        Seed.objects.filter(workflow=workflow, active=True)
        .values_list("ai_is_right")
        .annotate(n=Count("pk"))
        .order_by("ai_is_right")
    )
    sown = KnownAnswer.objects.filter(seed__workflow=workflow)
    seeds = Seed.objects.filter(workflow=workflow).select_related("decision", "planted_by")
    return Garden(
        right=kinds.get(True, 0),
        wrong=kinds.get(False, 0),
        sown=sown.count(),
        answered=sown.filter(decision__tickets__state=TicketState.SETTLED).count(),
        seeds=tuple(seeds.annotate(times=Count("sown")).order_by("-planted_at", "-pk")[:SHOWN_SEEDS]),
    )


def _score(answers: list[tuple[bool, bool]]) -> KnownAnswers:
    wrong = [said_wrong for said_wrong, ai_is_right in answers if not ai_is_right]
    right = [said_wrong for said_wrong, ai_is_right in answers if ai_is_right]
    return KnownAnswers(
        wrong_shown=len(wrong),
        caught=sum(wrong),
        right_shown=len(right),
        false_overrides=sum(right),
        caught_at_least=float(lower_bound(sum(wrong), len(wrong), delta=0.05)),
        sensitivity=known_answer_sensitivity(sum(wrong), len(wrong), sum(right), len(right)),
    )
