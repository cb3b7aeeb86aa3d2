"""A promise in writing: a certificate of what the labels prove now, and a policy draft that stands on it."""

from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from feedback.domain.thresholds import DELTA, GRID, Recommendation, recommend_continuous, recommend_multi_start
from feedback.domain.vocabulary import CertificateMethod
from feedback.models import Certificate
from feedback.queries.figures import split_sample
from feedback.queries.labels import Labels, Scope, sample_of
from policies.domain.canonical import canonical_bytes, sha256_hex
from policies.domain.vocabulary import Autonomy
from policies.models import ActionType, PolicyVersion, Threshold
from policies.services import create_draft

HOLDS = timedelta(days=90)
LEAST_AUDIT_RATE = Decimal("0.02")
METHODS = {
    CertificateMethod.CONTINUOUS: recommend_continuous,
    CertificateMethod.MULTI_START: recommend_multi_start,
}


class NoneQualifies(Exception):
    """No threshold can be promised now (409); `detail` says why."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class LookSpent(Exception):
    """The one planned look at these labels was taken already (409): look continuously, or wait for its end."""

    detail = "The one planned look at this action and model was taken. A second one would break its promise."


def issue_certificate(
    scope: Scope,
    *,
    alpha: float,
    method: CertificateMethod = CertificateMethod.CONTINUOUS,
    delta: float = DELTA,
    now: datetime,
) -> Certificate:
    """Writes a Certificate for the lowest threshold that the random sample supports now, good for 90 days.

    The continuous method may be asked for as often as one likes; one look by several starts is spent once taken, so
    its certificate is written whether or not anybody comes to use it. Raises NoneQualifies, LookSpent.
    """
    of = {
        "workflow": scope.workflow,
        "action": scope.action,
        "model_name": scope.model_name,
        "model_version": scope.model_version,
    }
    looked = Certificate.objects.filter(**of, alpha=alpha, method=method, expires_at__gt=now)
    if method != CertificateMethod.CONTINUOUS and looked.exists():
        raise LookSpent
    labels = sample_of(scope, now=now)
    older, sample = split_sample(labels)
    found = METHODS[method](sample, older=older, alpha=alpha, delta=delta)
    if found.threshold is None:
        raise NoneQualifies(found.why_none)
    certificate = Certificate(
        **of,
        method=method,
        alpha=alpha,
        delta=delta,
        n=found.n,
        errors=found.errors,
        bound=found.bound,
        threshold=found.threshold,
        detail={"grid": GRID.tolist(), "starts": list(found.starts), "older": len(older), "sample": sample.n},
        data_digest=f"sha256:{_digest_of(labels)}",
        issued_at=now,
        expires_at=now + HOLDS,
    )
    certificate.digest = f"sha256:{sha256_hex(canonical_bytes(_document_of(certificate, found)))}"
    certificate.save()
    return certificate


def draft_threshold(
    scope: Scope, *, alpha: float, method: CertificateMethod = CertificateMethod.CONTINUOUS, author: User, now: datetime
) -> PolicyVersion:
    """A policy draft in which the row of this action and model runs alone from a certified threshold. Never published.

    Everything else of the row stays as it is in force; a new row is audited at 2 %. Writes a Certificate and a draft.
    Raises NoneQualifies, LookSpent, and what create_draft raises.
    """
    with transaction.atomic():
        certificate = issue_certificate(scope, alpha=alpha, method=method, now=now)
        note = (
            f"Alone from {certificate.threshold:g}: with {1 - certificate.delta:.0%} confidence at most"
            f" {certificate.alpha:.1%} wrong, by {certificate.n} labels with {certificate.errors} errors."
        )
        draft = create_draft(scope.workflow, author=author, note=note, now=now)
        action = ActionType.objects.filter(workflow=scope.workflow, key=scope.action).first() if scope.action else None
        named: dict[str, Any] = {
            "version": draft,
            "action": action,
            "model_name": scope.model_name,
            "model_version": scope.model_version,
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
