"""A promise in writing: a certificate of what the labels prove now, and a policy draft that stands on it."""

from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from feedback.domain.thresholds import DELTA, GRID, Recommendation, recommend_continuous
from feedback.domain.vocabulary import CertificateMethod
from feedback.models import Certificate
from feedback.queries.figures import split_sample
from feedback.queries.labels import Labels, Scope, sample_of
from policies.domain.canonical import canonical_bytes, sha256_hex
from policies.domain.figures import per_cent
from policies.domain.vocabulary import Autonomy
from policies.models import ActionType, PolicyVersion, Threshold
from policies.services import create_draft

HOLDS = timedelta(days=90)
LEAST_AUDIT_RATE = Decimal("0.02")


class NoneQualifies(Exception):
    """No threshold can be promised now (409); `detail` says why."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class CertificateOver(Exception):
    """A certificate that expired or was withdrawn holds nothing up any more (409)."""

    detail = "That certificate has expired, or was withdrawn. Plan another look."


def issue_certificate(scope: Scope, *, alpha: float, delta: float = DELTA, now: datetime) -> Certificate:
    """Writes a Certificate for the lowest threshold that the random sample supports now, good for 90 days.

    By e-values, so that it may be asked for as often as one likes; the one look of an exact test has to be planned
    (looks.py). Raises NoneQualifies.
    """
    labels = sample_of(scope, now=now)
    older, sample = split_sample(labels)
    found = recommend_continuous(sample, older=older, alpha=alpha, delta=delta)
    return write_certificate(scope, CertificateMethod.CONTINUOUS, found, labels=labels, older=len(older), now=now)


def write_certificate(
    scope: Scope, method: CertificateMethod, found: Recommendation, *, labels: Labels, older: int, now: datetime
) -> Certificate:
    """Writes what was found as a Certificate. `labels` were looked at; `older` decisions only set where to begin.

    Raises NoneQualifies.
    """
    if found.threshold is None:
        raise NoneQualifies(found.why_none)
    certificate = Certificate(
        workflow=scope.workflow,
        action=scope.action,
        model_name=scope.model_name,
        model_version=scope.model_version,
        method=method,
        alpha=found.alpha,
        delta=found.delta,
        n=found.n,
        errors=found.errors,
        bound=found.bound,
        threshold=found.threshold,
        detail={"grid": GRID.tolist(), "starts": list(found.starts), "older": older, "sample": found.sample},
        data_digest=f"sha256:{_digest_of(labels)}",
        issued_at=now,
        expires_at=now + HOLDS,
    )
    certificate.digest = f"sha256:{sha256_hex(canonical_bytes(_document_of(certificate, found)))}"
    certificate.save()
    return certificate


def draft_threshold(scope: Scope, *, alpha: float, author: User, now: datetime) -> PolicyVersion:
    """A policy draft in which the row of this action and model runs alone from a certified threshold. Never published.

    Writes a Certificate and a draft. Raises NoneQualifies, and what create_draft raises.
    """
    with transaction.atomic():
        certificate = issue_certificate(scope, alpha=alpha, now=now)
        return draft_from(certificate, author=author, now=now)


def draft_from(certificate: Certificate, *, author: User, now: datetime) -> PolicyVersion:
    """The same on a certificate that is there. Raises CertificateOver, and what create_draft raises.

    Everything else of the row stays as it is in force; a new row is audited at 2 %.
    """
    if certificate.withdrawn_at is not None or certificate.expires_at <= now:
        raise CertificateOver
    note = (
        f"Alone from {certificate.threshold:g}: with {per_cent(1 - certificate.delta)} confidence at most"
        f" {per_cent(certificate.alpha, 1)} wrong, by {certificate.n} labels with {certificate.errors} errors."
    )
    workflow, key = certificate.workflow, certificate.action
    with transaction.atomic():
        draft = create_draft(workflow, author=author, note=note, now=now)
        named: dict[str, Any] = {
            "version": draft,
            "action": ActionType.objects.filter(workflow=workflow, key=key).first() if key else None,
            "model_name": certificate.model_name,
            "model_version": certificate.model_version,
        }
        row = Threshold.objects.filter(**named).first() or Threshold(**named, audit_rate=LEAST_AUDIT_RATE)
        row.autonomy = Autonomy.BY_CONFIDENCE
        row.least_confidence = Decimal(str(certificate.threshold))
        row.audit_rate = max(row.audit_rate, LEAST_AUDIT_RATE)
        row.alpha, row.delta = Decimal(str(certificate.alpha)), Decimal(str(certificate.delta))
        row.certificate_id, row.certificate_digest = str(certificate.pk), certificate.digest
        row.basis_reason, row.basis_holds_until = "", certificate.expires_at
        row.save()
    return draft


def _digest_of(labels: Labels) -> str:
    """Of the decisions that were looked at and of what was known of them, in their order."""
    digest = sha256()
    for column in (labels.id_high, labels.id_low, labels.confidence, labels.error):
        digest.update(column.tobytes())
    return digest.hexdigest()


def _document_of(certificate: Certificate, found: Recommendation) -> dict[str, Any]:
    return {
        "id": str(certificate.pk),
        "workflow": certificate.workflow.key,
        "action": certificate.action,
        "model": [certificate.model_name, certificate.model_version],
        "method": str(certificate.method),
        "alpha": str(certificate.alpha),
        "delta": str(certificate.delta),
        "n": certificate.n,
        "errors": certificate.errors,
        "bound": repr(certificate.bound),
        "threshold": repr(certificate.threshold),
        "starts": [repr(start) for start in found.starts],
        "data": certificate.data_digest,
        "issued_at": certificate.issued_at.isoformat(),
        "expires_at": certificate.expires_at.isoformat(),
    }
