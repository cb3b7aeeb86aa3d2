"""The binding answer, and what came of it."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from reviews.domain.vocabulary import OutcomeKind, OutcomeMethod
from reviews.models.client import Client
from reviews.models.decision import Decision, new_id
from reviews.models.verdict import Verdict


class Outcome(models.Model):
    """One per decision. Never changed, but purged of its content after retention."""

    decision = models.OneToOneField(Decision, models.PROTECT, primary_key=True, related_name="outcome")
    kind = models.CharField(max_length=12, choices=OutcomeKind)
    method = models.CharField(max_length=8, choices=OutcomeMethod)
    action = models.CharField(max_length=80)
    payload = models.JSONField(null=True)
    payload_sha256 = models.CharField(max_length=64)
    verdict = models.ForeignKey(Verdict, models.PROTECT, null=True, related_name="outcomes", db_index=False)
    settled_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=OutcomeKind.values), name="an_outcome_kind_is_known"),
            models.CheckConstraint(
                # An approval is the policy's or a person's, and a person's names the verdict.
                condition=Q(method=OutcomeMethod.AUTO, kind=OutcomeKind.APPROVED, verdict__isnull=True)
                | Q(
                    method=OutcomeMethod.HUMAN,
                    kind__in=(
                        OutcomeKind.APPROVED,
                        OutcomeKind.EDITED,
                        OutcomeKind.OVERRIDDEN,
                        OutcomeKind.REJECTED,
                    ),
                    verdict__isnull=False,
                )
                | Q(
                    method=OutcomeMethod.SYSTEM,
                    kind__in=(OutcomeKind.CANCELLED, OutcomeKind.EXPIRED),
                    verdict__isnull=True,
                ),
                name="nothing_is_approved_but_by_policy_or_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.method}"


class Permit(models.Model):
    """That an outcome was signed for an executor. Never changed; the signature itself is not kept."""

    jti = models.UUIDField(primary_key=True, default=new_id)
    outcome = models.ForeignKey(Outcome, models.PROTECT, related_name="permits")
    audience = models.ForeignKey(Client, models.PROTECT, related_name="permits")
    must_redeem = models.BooleanField()  # what it lets run is not plainly reversible
    key_id = models.CharField(max_length=64)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("issued_at")), name="a_permit_ends_after_its_start"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} for {self.audience}"


class Redemption(models.Model):
    """That a permit was used: once per decision. Never changed."""

    decision = models.OneToOneField(Decision, models.PROTECT, primary_key=True, related_name="redemption")
    permit = models.OneToOneField(Permit, models.PROTECT, related_name="redemption")
    redeemed_at = models.DateTimeField()


class Execution(models.Model):
    """What an executor says came of it. Never changed."""

    class Status(models.TextChoices):
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="executions")
    client = models.ForeignKey(Client, models.PROTECT, related_name="executions")
    status = models.CharField(max_length=10, choices=Status)
    detail = models.TextField(blank=True)
    reported_at = models.DateTimeField()


class Truth(models.Model):
    """What turned out to be right, days later, as a client reported it. Never changed; feedback makes labels of it."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="truths", db_index=False)
    client = models.ForeignKey(Client, models.PROTECT, related_name="truths")
    right_action = models.CharField(max_length=80)
    independent = models.BooleanField()  # of the client that proposed, when it was reported
    detail = models.TextField(blank=True)
    reported_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("decision", "client"), name="one_truth_of_a_decision_by_a_client"),
        ]
