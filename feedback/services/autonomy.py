"""Looks whether what autonomy rests on still holds, and takes it back where it doesn't. Never widens it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from feedback.domain.vocabulary import AlarmKind
from feedback.models import Certificate, Label
from feedback.queries.evidence import RowEvidence, evidence_of, rows_alone
from feedback.queries.overrides import leading_reasons
from feedback.services.alarms import end_those_acted_on, raise_alarm
from feedback.services.confidences import watch_confidences
from feedback.services.overrides import LOOKED_BACK, watch_overrides
from policies.domain.figures import per_cent
from policies.domain.spec import ThresholdSpec
from policies.models import PolicyVersion, Workflow
from policies.queries import live_policy
from policies.services import NothingToWithdraw, withdraw_autonomy
from reviews.domain.vocabulary import TicketKind
from reviews.models import Heartbeat
from reviews.services.beat import beat

logger = structlog.get_logger(__name__)
# From the end of a basis on nothing runs alone by it; so long afterwards, unrenewed, its row is withdrawn.
GRACE = timedelta(days=7)
# Assessing takes at most such a share of the time, however many labels there are.
MOST_OF_THE_TIME = 0.05


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row may no longer let anything run alone: a sentence with the figures in it, and the figures."""

    kind: AlarmKind
    sentence: str
    evidence: Mapping[str, Any]


def assess_autonomy(*, now: datetime, workflow_ids: set[int] | None = None) -> tuple[PolicyVersion, ...]:
    """Assess the evidence of these workflows, or of all; give the versions in which autonomy was withdrawn.

    Writes the heartbeat `evidence:<key>` of each workflow that could be assessed: one that could not is left to people
    within minutes, as unmonitored. Where a row's evidence failed, publishes a version without its autonomy, withdraws
    its certificate and raises an alarm; raises one for an override rate or confidences that are too high as well, and
    ends the alarms of what is over.
    """
    withdrawn: list[PolicyVersion] = []
    workflows = Workflow.objects.order_by("pk")
    for workflow in workflows if workflow_ids is None else workflows.filter(pk__in=workflow_ids):
        try:
            withdrawn += _assess(workflow, now=now)
        except Exception:
            # One workflow's trouble must not leave the others unassessed. Its own heartbeat stops: people decide.
            logger.exception("evidence not assessed", workflow=workflow.key)
    return tuple(withdrawn)


def _assess(workflow: Workflow, *, now: datetime) -> list[PolicyVersion]:
    policy = live_policy(workflow.pk)
    began = time.perf_counter()
    newest = Label.objects.filter(workflow=workflow).order_by("-pk").values_list("pk", flat=True).first()
    # A day's passing is news too: what was long ago counts no more.
    known = {"newest_label": newest, "policy": policy.digest if policy else "", "day": now.date().isoformat()}
    last = Heartbeat.objects.filter(name=f"evidence:{workflow.key}").first()
    before = last.detail if last else {}
    news = known != {name: before.get(name) for name in known}
    if (
        news
        and last
        and timedelta(0) <= now - last.beat_at < timedelta(seconds=before.get("took", 0) / MOST_OF_THE_TIME)
    ):
        return []
    if news:
        end_those_acted_on(workflow, now=now)  # first, so that what fails again is told of again
    withdrawn: list[PolicyVersion] = []
    for row in rows_alone(policy):
        failure = failure_of_basis(row, workflow=workflow, now=now)
        if failure is not None:
            withdrawn += _withdraw(workflow, row=row, failure=failure, now=now)
    if news and policy is not None:
        for evidence in evidence_of(workflow, policy=policy):
            failure = failure_of_labels(evidence)
            if failure is not None:
                withdrawn += _withdraw(workflow, row=evidence.row, failure=failure, now=now)
        watch_overrides(workflow, now=now)
        watch_confidences(workflow, now=now)
    took = time.perf_counter() - began if news else before.get("took", 0)
    beat(f"evidence:{workflow.key}", now=now, detail={**known, "took": took})
    return withdrawn


# ---- What fails -----------------------------------------------------------------------------------------------------


def failure_of_basis(row: ThresholdSpec, *, workflow: Workflow, now: datetime) -> Failure | None:
    """Whether what the row stands on was withdrawn, is not what was published, or ended and was not renewed."""
    if row.basis_holds_until is not None and now >= row.basis_holds_until + GRACE:
        sentence = f"{_called(row)}: its basis held until {row.basis_holds_until:%-d %B %Y} and was not renewed."
        return Failure(AlarmKind.CERTIFICATE_EXPIRED, sentence, {"held_until": row.basis_holds_until.isoformat()})
    if not row.certificate_id or row.basis_reason.strip():
        return None
    certificate = _certificate(row.certificate_id, workflow)
    if certificate is None or certificate.digest != row.certificate_digest:
        sentence = f"{_called(row)}: the certificate that it names is not one that was issued here."
        return Failure(AlarmKind.CERTIFICATE_EXPIRED, sentence, {"certificate": row.certificate_id})
    if certificate.withdrawn_at is not None:
        sentence = f"{_called(row)}: its certificate was withdrawn. {certificate.withdrawn_reason}"
        return Failure(AlarmKind.CERTIFICATE_EXPIRED, sentence, {"certificate": row.certificate_id})
    if now >= certificate.expires_at + GRACE:
        sentence = f"{_called(row)}: its certificate ended on {certificate.expires_at:%-d %B %Y} and was not renewed."
        return Failure(AlarmKind.CERTIFICATE_EXPIRED, sentence, {"certificate": row.certificate_id})
    return None


def failure_of_labels(evidence: RowEvidence) -> Failure | None:
    """Whether the labels speak against the row: against the error rate that it claims, or of a change for the worse."""
    claim, watch, row = evidence.claim, evidence.watch, evidence.row
    if claim is not None and claim.failed_at is not None and row.alpha is not None:
        sentence = (
            f"{_called(row)}: {claim.errors} of {claim.labels} decisions that ran alone and were checked were wrong;"
            f" that refutes the claim of at most {per_cent(row.alpha, 1)}."
        )
        figures = {
            "labels": claim.labels,
            "errors": claim.errors,
            "failed_at": claim.failed_at,
            "alpha": str(row.alpha),
        }
        return Failure(AlarmKind.AUDIT_ERRORS, sentence, figures)
    if watch.alarm_at is not None and watch.p0 is not None:
        sentence = (
            f"{_called(row)}: errors have risen. They were at most {per_cent(watch.p0, 1)} when it began;"
            f" the watch fired at label {watch.alarm_at} of {watch.labels}."
        )
        figures = {"labels": watch.labels, "alarm_at": watch.alarm_at, "p0": watch.p0, "statistic": watch.last}
        return Failure(AlarmKind.DRIFT, sentence, figures)
    return None


def _leading(workflow: Workflow, *, row: ThresholdSpec, now: datetime) -> list[dict[str, Any]]:
    """What people said was wrong, lately, with what the row governs."""
    since = (now - LOOKED_BACK).date()
    checked = (TicketKind.GATE, TicketKind.AUDIT)
    return [one.as_evidence() for one in leading_reasons(workflow, action=row.action, since=since, kinds=checked)]


def _called(row: ThresholdSpec) -> str:
    model = f"{row.model_name} {row.model_version}".strip() or "any model"
    return f"{row.action or 'Every other action'} by {model}"


def _certificate(certificate_id: str, workflow: Workflow) -> Certificate | None:
    try:
        return Certificate.objects.filter(pk=UUID(certificate_id), workflow=workflow).first()
    except ValueError:
        return None


def _withdraw(workflow: Workflow, *, row: ThresholdSpec, failure: Failure, now: datetime) -> list[PolicyVersion]:
    try:
        with transaction.atomic():
            version = withdraw_autonomy(
                workflow,
                action=row.action,
                model_name=row.model_name,
                model_version=row.model_version,
                reason=failure.sentence,
                evidence={"kind": str(failure.kind), **failure.evidence},
                now=now,
            )
            certificate = _certificate(row.certificate_id, workflow)
            if certificate is not None and certificate.withdrawn_at is None:
                certificate.withdrawn_at, certificate.withdrawn_reason = now, failure.sentence[:300]
                certificate.save(update_fields=["withdrawn_at", "withdrawn_reason"])
            raise_alarm(
                failure.kind,
                workflow=workflow,
                action=row.action,
                model=(row.model_name, row.model_version),
                message=f"Autonomy withdrawn. {failure.sentence}",
                evidence={**failure.evidence, "leading": _leading(workflow, row=row, now=now)},
                now=now,
            )
    except NothingToWithdraw:
        return []  # Another worker was first.
    logger.warning("autonomy withdrawn", workflow=workflow.key, action=row.action, reason=failure.sentence)
    return [version]
