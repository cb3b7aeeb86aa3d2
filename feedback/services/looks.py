"""Planned looks: written down before there is anything to see, taken once when their labels are there.

Each look has labels of its own, of decisions that arrived after it was planned. So what was seen before can't have
chosen them, no label is looked at twice, and the exact test keeps its promise.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from feedback.domain.rates import Floats
from feedback.domain.thresholds import DELTA, FACTORS, count_sample, labels_needed, recommend_multi_start
from feedback.domain.vocabulary import CertificateMethod
from feedback.models import Label, Look
from feedback.permissions import may_draft_policies
from feedback.queries.figures import OLDER
from feedback.queries.labels import Scope, labels_of, sample_of
from feedback.services.certify import NoneQualifies, write_certificate
from feedback.services.refusals import NotAllowed
from policies.domain.canonical import sha256_hex
from policies.domain.figures import per_cent
from reviews.domain.vocabulary import EventKind
from reviews.services.record import record

LARGEST = 1_000_000
"""Decisions of the random sample that a look may wait for."""


class LookRefused(Exception):
    """A look that can't be planned or withdrawn; `detail` says why, `field` what of it is wrong, if anything is."""

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        self.detail, self.field = detail, field
        super().__init__(detail)


def smallest(alpha: float) -> int:
    """Fewer decisions than this can't promise `alpha`, were none of them wrong: ⌈ln(δ/4) / ln(1−α)⌉."""
    return labels_needed(alpha=alpha, delta=DELTA / len(FACTORS))


def plan_look(scope: Scope, *, alpha: float, n: int, user: User, now: datetime) -> Look:
    """Write down that the next `n` decisions of the random sample are looked at once. Writes a Look and an Event.

    Raises NotAllowed, and LookRefused: too few, too many, nothing before that could set where testing begins, or
    another look that still waits.
    """
    if not may_draft_policies(user):
        raise NotAllowed
    least = smallest(alpha)
    if not least <= n <= LARGEST:
        raise LookRefused(
            f"A look at {per_cent(alpha)} takes {least:,} decisions at least, and {LARGEST:,} at most.", field="n"
        )
    if not _sampled(scope):
        raise LookRefused("No decision of the random sample has a label yet; where testing begins is set by those.")
    look = Look(
        workflow=scope.workflow,
        action=scope.action,
        model_name=scope.model_name,
        model_version=scope.model_version,
        alpha=alpha,
        delta=DELTA,
        n=n,
        planned_at=now,
        planned_by=user,
    )
    try:
        with transaction.atomic():
            look.save(force_insert=True)
            record(EventKind.LOOK_PLANNED, now=now, user=user, workflow=look.workflow, body=_about(look))
    except IntegrityError:
        raise LookRefused("A look at this action and model waits already. Let it be taken, or withdraw it.") from None
    return look


def withdraw_look(look: Look, *, why: str, user: User, now: datetime) -> None:
    """Give a look up that was not taken. Writes the Look and an Event. Raises NotAllowed, LookRefused."""
    if not may_draft_policies(user):
        raise NotAllowed
    with transaction.atomic():
        waiting = Look.objects.filter(pk=look.pk, taken_at__isnull=True, withdrawn_at__isnull=True)
        if not waiting.update(withdrawn_at=now, withdrawn_by=user, withdrawn_reason=why.strip()):
            raise LookRefused("It was taken, or withdrawn, already.")
        body = {**_about(look), "reason_sha256": sha256_hex(why.strip().encode())}
        record(EventKind.LOOK_WITHDRAWN, now=now, user=user, workflow=look.workflow, body=body)


def take_looks(*, now: datetime) -> tuple[Look, ...]:
    """Take every look whose decisions are there, once and for ever; of the others, note how many are.

    Writes the Look, its Certificate where a threshold qualifies, and an Event. May be run by two at once.
    """
    waiting = Look.objects.filter(taken_at__isnull=True, withdrawn_at__isnull=True)
    taken = []
    for key in waiting.order_by("planned_at").values_list("pk", flat=True):
        with transaction.atomic():
            look = waiting.select_for_update(skip_locked=True, of=("self",)).select_related("workflow").filter(pk=key)
            if (found := look.first()) and _take(found, now=now):
                taken.append(found)
    return tuple(taken)


def _take(look: Look, *, now: datetime) -> bool:
    scope = Scope(look.workflow, look.action, look.model_name, look.model_version)
    labels = sample_of(replace(scope, since=look.planned_at), now=now)
    look.seen = min(len(labels), look.n)
    if look.seen < look.n:
        look.save(update_fields=["seen"])
        return False
    labels = labels.of(slice(look.n)).with_confidence()
    older = _before(scope, moment=look.planned_at)
    sample = count_sample(labels.confidence, labels.error)
    found = recommend_multi_start(sample, older=older, alpha=look.alpha, delta=look.delta)
    look.taken_at, look.why_none = now, found.why_none
    with suppress(NoneQualifies):
        look.certificate = write_certificate(
            scope, CertificateMethod.MULTI_START, found, labels=labels, older=len(older), now=now
        )
    look.save(update_fields=["seen", "taken_at", "why_none", "certificate"])
    certificate = look.certificate
    body = _about(look) | {"certificate": certificate.digest if certificate else None}
    record(EventKind.LOOK_TAKEN, now=now, workflow=look.workflow, body=body)
    return True


def _sampled(scope: Scope) -> bool:
    """Whether any decision of the random sample has a label."""
    named = {name: getattr(scope, name) for name in ("action", "model_name", "model_version")}
    labels = Label.objects.filter(workflow=scope.workflow, stands=True, flagged=True)
    return labels.filter(**{name: it for name, it in named.items() if it}).exists()


def _before(scope: Scope, *, moment: datetime) -> Floats:
    """The confidences of the newest decisions of the random sample before then: they set where testing begins."""
    labels = labels_of(scope)
    return labels.of(labels.flagged & (labels.received < moment.timestamp())).with_confidence().confidence[-OLDER:]


def _about(look: Look) -> dict[str, Any]:
    return {
        "look": str(look.pk),
        "workflow": look.workflow.key,
        "action": look.action,
        "model": {"name": look.model_name, "version": look.model_version},
        "alpha": str(look.alpha),
        "delta": str(look.delta),
        "n": look.n,
    }
