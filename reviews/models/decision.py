"""What an AI proposed, exactly as it was sent, and how it was judged."""

import uuid
from typing import ClassVar

import uuid_utils.compat
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from policies.domain.vocabulary import Route
from policies.models import PolicyVersion, Workflow
from reviews.models.client import Client
from reviews.models.columns import ExactDecimalField


def new_id() -> uuid.UUID:
    """A UUIDv7: random, and in order of time, so that an index grows at one end."""
    return uuid_utils.compat.uuid7()


class DecisionQuerySet(models.QuerySet["Decision"]):
    """The vocabulary of decisions."""

    def of_client(self, client: Client) -> "DecisionQuerySet":
        return self.filter(client=client)

    def of_workflow(self, key: str) -> "DecisionQuerySet":
        return self.filter(workflow__key=key)

    def newest_first(self) -> "DecisionQuerySet":
        return self.order_by("-id")


class GenuineDecisions(models.Manager.from_queryset(DecisionQuerySet)):  # type: ignore[misc]
    """Everything but known answers, so that no feed, precedent, tally or export can include one by oversight."""

    def get_queryset(self) -> DecisionQuerySet:
        genuine: DecisionQuerySet = super().get_queryset().filter(internal=False)
        return genuine


class Decision(models.Model):
    """One proposal by an AI. Never changed but by the purge, which empties the content columns."""

    id = models.UUIDField(primary_key=True, default=new_id)
    client = models.ForeignKey(Client, models.PROTECT, related_name="decisions", db_index=False)
    external_id = models.CharField(max_length=255)
    idempotency_key = models.CharField(max_length=255, null=True)
    fingerprint = models.CharField(max_length=64)  # SHA-256 of the request in canonical form
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="decisions", db_index=False)
    action = models.CharField(max_length=80)  # as sent: it may be unknown
    subject_type = models.CharField(max_length=80, blank=True)
    subject_id = models.CharField(max_length=255, blank=True)
    subject_label = models.TextField(null=True)
    subject_url = models.TextField(null=True)
    payload = models.JSONField(null=True)
    payload_sha256 = models.CharField(max_length=64)
    amount = ExactDecimalField(null=True)
    currency = models.CharField(max_length=16, blank=True)
    confidence = ExactDecimalField(null=True)
    alternatives = models.JSONField(null=True)
    reasoning = models.TextField(null=True)
    context = models.JSONField(null=True)
    model_name = models.CharField(max_length=120)
    model_version = models.CharField(max_length=120)
    prompt_digest = models.CharField(max_length=120, blank=True)
    requested_by = models.TextField(null=True)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    run = models.JSONField(null=True)  # the caller's own state, given back as it came
    deadline = models.DateTimeField(null=True)
    salt = models.BinaryField(null=True)  # of the commitments in the log; goes with the purge
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, null=True, related_name="decisions")
    threshold = models.DecimalField(max_digits=7, decimal_places=6, null=True)
    facts = models.JSONField()
    route = models.CharField(max_length=6, choices=Route)
    reasons = models.JSONField()
    flagged = models.BooleanField()  # drawn for the random sample, before routing
    flag_probability = models.DecimalField(max_digits=5, decimal_places=4)
    internal = models.BooleanField(default=False)  # a known answer
    received_at = models.DateTimeField()
    purged_at = models.DateTimeField(null=True)

    objects = GenuineDecisions()
    everything = DecisionQuerySet.as_manager()

    class Meta:
        base_manager_name = "everything"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("client", "external_id"), name="one_decision_of_an_external_id"),
            models.UniqueConstraint(fields=("client", "idempotency_key"), name="one_decision_of_an_idempotency_key"),
            models.CheckConstraint(
                # Written from both sides, since PostgreSQL holds 'NaN' >= 0.9 to be true.
                condition=Q(confidence__isnull=True) | Q(confidence__gte=0, confidence__lte=1),
                name="a_confidence_is_between_0_and_1",
            ),
            models.CheckConstraint(condition=Q(route__in=Route.values), name="a_route_is_known"),
            models.CheckConstraint(
                condition=~Q(route=Route.AUTO)
                | Q(
                    policy_version__isnull=False,
                    threshold__isnull=False,
                    threshold__gt=0,
                    confidence__isnull=False,
                    confidence__gte=F("threshold"),
                ),
                name="auto_only_at_or_above_a_threshold",
            ),
            models.CheckConstraint(
                condition=Q(flag_probability__gte=0, flag_probability__lte=1), name="a_flag_has_a_probability"
            ),
        ]
        indexes: ClassVar = [
            models.Index("workflow", "action", F("id").desc(), name="decisions_by_action"),
            models.Index("subject_id", F("id").desc(), name="decisions_by_subject", condition=~Q(subject_id="")),
            models.Index("workflow", "payload_sha256", name="decisions_by_payload"),
        ]

    def __str__(self) -> str:
        return self.external_id


class ShadowAssessment(models.Model):
    """What a shadow version would have said of a decision. Never changed."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="shadow_assessments", db_index=False)
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="shadow_assessments")
    route = models.CharField(max_length=6, choices=Route)
    reasons = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("decision", "policy_version"), name="one_shadow_assessment_of_a_version"),
        ]


class BudgetUse(models.Model):
    """What ran alone in a day: taken by UPDATE … WHERE used + x <= limit in the submitting transaction."""

    workflow = models.ForeignKey(Workflow, models.PROTECT, db_index=False)
    action = models.CharField(max_length=80)
    subject = models.CharField(max_length=340, blank=True)  # empty: all subjects together
    day = models.DateField()  # UTC
    currency = models.CharField(max_length=16, blank=True)
    count = models.PositiveIntegerField(default=0)
    amount = ExactDecimalField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("workflow", "action", "subject", "day", "currency"), name="one_budget_of_a_day"
            ),
        ]
