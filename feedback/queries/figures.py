"""The figures that pages and API show: each with its n, its interval and its method."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db.models import OuterRef, Subquery, Sum

from feedback.domain import calibration, risk, thresholds
from feedback.domain.agreement import (
    LEAST_PAIRS,
    Pairs,
    Votes,
    agreement_of_pairs,
    agreement_of_votes,
    count_pairs,
    votes_of_pairs,
)
from feedback.domain.rates import Interval, clean_bound, clopper_pearson
from feedback.domain.sampling import Estimate, NothingLabelled, Stratum, estimate_of
from feedback.domain.thresholds import GRID, Recommendation
from feedback.domain.vocabulary import LabelSource
from feedback.models import Label, Tally
from feedback.queries.labels import Labels, Scope, labels_of, sample_of
from policies.domain.vocabulary import Route
from policies.queries import live_policy

ALPHAS = (0.01, 0.02, 0.05, 0.1)
# Older traffic, whose confidences alone set where testing begins: so many decisions at most, and no more than a part.
OLDER, OLDER_PART = 1000, 4


@dataclass(frozen=True, slots=True)
class CalibrationFigures:
    """Calibration over all labels with weights 1/π; `figures` is None where nothing was labelled."""

    n: int
    weighted: bool
    figures: calibration.Calibration | None
    band: calibration.Band | None
    method: str = (
        "15 bins of equal width; labels weighted by 1/π; Clopper–Pearson bars (Korn–Graubard where weighted);"
        " bins under n = 10 hidden"
    )


@dataclass(frozen=True, slots=True)
class RiskFigures:
    """Risk against coverage over all labels with weights 1/π, and what each threshold would let run alone."""

    n: int
    weighted: bool
    curve: risk.RiskCoverage | None
    points: tuple[risk.OperatingPoint, ...]
    live_threshold: float | None
    method: str = "unique confidences, ties as one block; labels weighted by 1/π"


@dataclass(frozen=True, slots=True)
class Claimed:
    """What can be promised at one α, by three methods."""

    alpha: float
    multi_start: Recommendation
    fixed_sequence: Recommendation
    continuous: Recommendation


@dataclass(frozen=True, slots=True)
class ThresholdFigures:
    """Recommended thresholds from the random sample: `n` of it, after the `older` that only set the starts."""

    n: int
    older: int
    errors: int
    delta: float
    claims: tuple[Claimed, ...]
    method: str = (
        "random sample in order of arrival, unlabelled past the audit's SLA counted as errors; Learn then Test by up to"
        " four starts (holds for one look, planned beforehand), or e-values with their running maximum (continuous)"
    )


@dataclass(frozen=True, slots=True)
class AuditFigures:
    """What the audits say of all that ran alone in the window.

    `future` is for traffic to come, where everything was drawn at one rate; `clean_bound` what so many audits would
    bound had they found nothing; `unseen` ran alone where nobody could ever look.
    """

    ran_alone: int
    audited: int
    errors: int
    estimate: Estimate | None
    future: Interval | None
    clean_bound: float
    unseen: int
    method: str = (
        "Horvitz–Thompson and Hájek; guaranteed: hypergeometric by label probability, what may go wrong split evenly;"
        " future: Clopper–Pearson; past the audit's SLA an audit that is not done counts as an error"
    )


@dataclass(frozen=True, slots=True)
class AgreementFigures:
    """How far second opinions agree with the first verdicts; `pairs` and `votes` are None under 50 of them."""

    n: int
    pairs: Pairs | None
    votes: Votes | None
    method: str = (
        "blind second opinions on a random share of what people decided; Cohen's κ, Krippendorff's α (nominal,"
        " bootstrap over decisions), Gwet's AC1; shown from 50 pairs"
    )


def calibration_of(scope: Scope) -> CalibrationFigures:
    labels = labels_of(scope).estimable()
    if not len(labels):
        return CalibrationFigures(n=0, weighted=False, figures=None, band=None)
    weight = 1 / labels.probability
    return CalibrationFigures(
        n=len(labels),
        weighted=_is_weighted(labels),
        figures=calibration.calibrate(labels.confidence, labels.error, weight=weight),
        band=calibration.ece_band(labels.confidence, labels.error, weight=weight),
    )


def risk_of(scope: Scope) -> RiskFigures:
    labels = labels_of(scope).estimable()
    live = _live_threshold(scope)
    if not len(labels):
        return RiskFigures(n=0, weighted=False, curve=None, points=(), live_threshold=live)
    weight = 1 / labels.probability
    return RiskFigures(
        n=len(labels),
        weighted=_is_weighted(labels),
        curve=risk.risk_coverage(labels.confidence, labels.error, weight=weight),
        points=risk.operating_points(labels.confidence, labels.error, thresholds=GRID, weight=weight),
        live_threshold=live,
    )


def _is_weighted(labels: Labels) -> bool:
    return bool((labels.probability < 1).any())


def _live_threshold(scope: Scope) -> float | None:
    policy = live_policy(scope.workflow.pk)
    row = policy and policy.row_for(action=scope.action, model_name=scope.model_name, model_version=scope.model_version)
    return float(row.least_confidence) if row and row.least_confidence is not None else None


def thresholds_of(
    scope: Scope, *, now: datetime, alphas: Sequence[float] = ALPHAS, delta: float = thresholds.DELTA
) -> ThresholdFigures:
    """What can be promised of `scope` now. Reads the labels once, whatever the number of αs."""
    labels = sample_of(scope, now=now)
    older, sample = split_sample(labels)
    claims = tuple(
        Claimed(
            alpha=alpha,
            multi_start=thresholds.recommend_multi_start(sample, older=older, alpha=alpha, delta=delta),
            fixed_sequence=thresholds.recommend_fixed_sequence(sample, older=older, alpha=alpha, delta=delta),
            continuous=thresholds.recommend_continuous(sample, older=older, alpha=alpha, delta=delta),
        )
        for alpha in alphas
    )
    errors = int(labels.error[len(older) :].sum())
    return ThresholdFigures(n=sample.n, older=len(older), errors=errors, delta=delta, claims=claims)


def split_sample(labels: Labels) -> tuple[Any, thresholds.Sample]:
    """The confidences of older traffic, and everything later as a sample."""
    labels = labels.with_confidence()
    older = min(OLDER, len(labels) // OLDER_PART)
    later = labels.of(slice(older, None))
    sample = thresholds.count_sample(later.confidence, later.error, looks=thresholds.looks_up_to(len(later)))
    return labels.confidence[:older], sample


def audits_of(scope: Scope, *, now: datetime) -> AuditFigures:
    """The error of what ran alone. Its size by probability is from the tallies, its errors from the random sample."""
    sizes: dict[float, int] = defaultdict(int)
    arrived = Tally.objects.filter(workflow=scope.workflow, route=Route.AUTO, ticket_kind="")
    named = {name: getattr(scope, name) for name in ("action", "model_name", "model_version")}
    arrived = arrived.filter(**{name: it for name, it in named.items() if it})
    if scope.since is not None:
        arrived = arrived.filter(day__gte=scope.since.astimezone(UTC).date())
    for row in arrived.values("flag_probability").annotate(size=Sum("count")):
        sizes[float(row["flag_probability"])] += row["size"]
    sample = sample_of(scope, now=now)
    sample = sample.of(sample.ran_alone)
    unseen = sizes.pop(0.0, 0)
    strata = []
    for probability, size in sorted(sizes.items()):
        drawn = np.isclose(sample.probability, probability)
        labelled = min(size, int(drawn.sum()))
        strata.append(Stratum(probability, min(labelled, int(sample.error[drawn].sum())), labelled, size))
    errors, audited = sum(one.errors for one in strata), sum(one.labelled for one in strata)
    try:
        estimate = estimate_of(tuple(strata))
    except NothingLabelled:
        estimate = None
    future = None
    if estimate is not None and len(strata) == 1:
        future = Interval(*(float(end) for end in clopper_pearson(errors, audited)))
    return AuditFigures(
        ran_alone=sum(sizes.values()) + unseen,
        audited=audited,
        errors=errors,
        estimate=estimate,
        future=future,
        clean_bound=clean_bound(audited),
        unseen=unseen,
    )


def agreement_of(scope: Scope) -> AgreementFigures:
    """Pairs of a first verdict and a blind second opinion on the same decision."""
    first = Label.objects.filter(decision=OuterRef("decision"), source__in=(LabelSource.GATE, LabelSource.AUDIT))
    seconds = Label.objects.filter(workflow=scope.workflow, source=LabelSource.SECOND_OPINION)
    if scope.since is not None:
        seconds = seconds.filter(decided_at__gte=scope.since)
    named = {name: getattr(scope, name) for name in ("action", "model_name", "model_version")}
    seconds = seconds.filter(**{name: it for name, it in named.items() if it})
    pairs = (
        seconds.annotate(
            first=Subquery(first.values("right_action")[:1]), first_right=Subquery(first.values("ai_was_right")[:1])
        )
        .filter(first__isnull=False)
        .values_list("action", "first", "first_right", "right_action", "ai_was_right")
    )
    answers = [
        (_answered(action, one, right=one_right), _answered(action, other, right=other_right))
        for action, one, one_right, other, other_right in pairs
    ]
    if len(answers) < LEAST_PAIRS:
        return AgreementFigures(n=len(answers), pairs=None, votes=None)
    table = count_pairs([one for one, _ in answers], [other for _, other in answers])
    return AgreementFigures(
        n=len(answers), pairs=agreement_of_pairs(table), votes=agreement_of_votes(votes_of_pairs(answers))
    )


def _answered(action: str, answer: str, *, right: bool) -> str:
    """What a person said is to run. Empty is a rejection: people agree that nothing was to run."""
    if not answer:
        return "nothing"
    return f"{answer}, changed" if answer == action and not right else answer
