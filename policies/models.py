"""What may act alone, in rows: workflows, their actions, and the versions of their policies."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from policies.domain.vocabulary import (
    Autonomy,
    ChangeKind,
    Reversibility,
    VerdictKind,
    VersionCause,
    VersionStatus,
    WorkflowKind,
)

SHARE = [MinValueValidator(0), MaxValueValidator(1)]


def share(**options: Any) -> models.DecimalField:
    """A fraction in [0, 1] with four decimals."""
    return models.DecimalField(max_digits=5, decimal_places=4, validators=SHARE, **options)


def every_verdict() -> list[str]:
    """All kinds of verdict, the default of an action."""
    return list(VerdictKind.values)


class Workflow(models.Model):
    """A stream of decisions that one group of people answers for. Its settings act live; they are not pinned."""

    key = models.SlugField(unique=True, help_text="The name that upstream systems send.")
    title = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=WorkflowKind)
    review_group = models.ForeignKey(Group, models.PROTECT, related_name="reviewed_workflows")
    escalation_group = models.ForeignKey(Group, models.PROTECT, related_name="escalated_workflows")
    sla_minutes = models.PositiveIntegerField(default=240, help_text="A ticket that is older is escalated.")
    audit_sla_hours = models.PositiveIntegerField(default=72, help_text="An audit that is older counts as an error.")
    second_opinion_share = share(default=0, help_text="Share of tickets that a second person answers blind.")
    known_answer_share = share(default=0, help_text="Share of a queue whose truth is known; 0.02 to 0.05 is usual.")
    estimate_first_share = share(default=0, help_text="Share of audits that ask for an own estimate first.")
    override_rate_limit = share(default="0.2", help_text="An override rate surely above this raises an alarm.")
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Content of decisions is purged after so many days; empty keeps it."
    )
    paused = models.BooleanField(default=False, editable=False)
    history = HistoricalRecords(excluded_fields=["paused"])

    class Meta:
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title


class ActionType(models.Model):
    """A kind of thing that an AI may propose. A live policy pins it as it was when it was published."""

    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="actions")
    key = models.SlugField(max_length=80, help_text="The name that upstream systems send, such as refund_fee.")
    title = models.CharField(max_length=120, help_text="An imperative: “Refund a fee”.")
    what = models.TextField(blank=True, help_text="What happens in the world when it runs, in plain words.")
    ask = models.TextField(blank=True, help_text="What a reviewer is asked to find out before approving.")
    reversibility = models.CharField(max_length=24, choices=Reversibility)
    payload_schema = models.JSONField(null=True, blank=True, help_text="JSON Schema of the payload.")
    amount_pointer = models.CharField(max_length=200, default="/amount", blank=True, help_text="JSON Pointer.")
    currency_pointer = models.CharField(max_length=200, default="/currency", blank=True, help_text="JSON Pointer.")
    editable_fields = ArrayField(
        models.CharField(max_length=200), default=list, blank=True, help_text="JSON Pointers that a reviewer may edit."
    )
    personal_fields = ArrayField(
        models.CharField(max_length=200), default=list, blank=True, help_text="JSON Pointers left out of exports."
    )
    layout = models.JSONField(
        default=dict, blank=True, help_text="JSON Pointer → text, message, markdown, money, image, link, table, code."
    )
    sensitive = models.BooleanField(default=False, help_text="Blurred until the reviewer asks to see it.")
    allowed_verdicts = ArrayField(models.CharField(max_length=8, choices=VerdictKind), default=every_verdict)
    hold_seconds = models.PositiveIntegerField(
        default=5, validators=[MaxValueValidator(3600)], help_text="How long a verdict can be undone."
    )
    active = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ("title",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("workflow", "key"), name="one_action_of_a_key_in_a_workflow"),
        ]

    def __str__(self) -> str:
        return self.title


class PolicyVersionQuerySet(models.QuerySet["PolicyVersion"]):
    """The vocabulary of policy versions."""

    def of(self, workflow: Workflow) -> "PolicyVersionQuerySet":
        return self.filter(workflow=workflow)

    def live(self) -> "PolicyVersionQuerySet":
        return self.filter(status=VersionStatus.LIVE)

    def shadow(self) -> "PolicyVersionQuerySet":
        return self.filter(status=VersionStatus.SHADOW)

    def drafts(self) -> "PolicyVersionQuerySet":
        return self.filter(status=VersionStatus.DRAFT)

    def newest_first(self) -> "PolicyVersionQuerySet":
        return self.order_by("-number")


class PolicyVersion(models.Model):
    """The thresholds and rules of a workflow from one moment to another. Immutable once published."""

    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=VersionStatus, default=VersionStatus.DRAFT)
    cause = models.CharField(max_length=12, choices=VersionCause, default=VersionCause.EDIT)
    base = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="successors")
    note = models.TextField(blank=True, help_text="Why this change; shown wherever the version is.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="drafted_policies")
    publisher = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="published_policies"
    )
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    document = models.TextField(blank=True, help_text="Canonical JSON of everything that judging uses.")
    digest = models.CharField(max_length=71, blank=True, help_text="SHA-256 of the document.")

    objects = PolicyVersionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("workflow", "number"), name="one_policy_version_of_a_number"),
            models.UniqueConstraint(
                fields=("workflow",), condition=Q(status=VersionStatus.LIVE), name="one_live_version_of_a_workflow"
            ),
            models.UniqueConstraint(
                fields=("workflow",), condition=Q(status=VersionStatus.SHADOW), name="one_shadow_version_of_a_workflow"
            ),
            models.CheckConstraint(
                condition=Q(status=VersionStatus.DRAFT) | (~Q(document="") & ~Q(digest="")),
                name="a_published_version_is_pinned",
            ),
            models.CheckConstraint(
                condition=~Q(status=VersionStatus.LIVE) | Q(published_at__isnull=False),
                name="a_live_version_was_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow.key} {self.number}"


class Threshold(models.Model):
    """One row of a version: what one action (or any) of one model (or any) may do alone."""

    version = models.ForeignKey(PolicyVersion, models.CASCADE, related_name="thresholds")
    action = models.ForeignKey(
        ActionType, models.PROTECT, null=True, blank=True, help_text="Empty: the default for every action."
    )
    model_name = models.CharField(max_length=120, blank=True, help_text="Empty: any model.")
    model_version = models.CharField(max_length=120, blank=True, help_text="Empty: any version.")
    autonomy = models.CharField(max_length=16, choices=Autonomy, default=Autonomy.NEVER)
    least_confidence = models.DecimalField(
        max_digits=7, decimal_places=6, null=True, blank=True, help_text="Runs alone at this confidence and above."
    )
    largest_amount = models.DecimalField(
        max_digits=20, decimal_places=4, null=True, blank=True, help_text="Runs alone up to this amount."
    )
    currency = models.CharField(max_length=3, blank=True, help_text="Of every amount in this row, such as EUR.")
    verdicts_needed = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(3)], help_text="How many people must agree."
    )
    audit_rate = share(default="0.02", help_text="Share that is reviewed whatever the policy says.")
    deliberate_acts = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(2)], help_text="2: more than one key to approve."
    )
    separation = models.BooleanField(default=False, help_text="Nobody decides what they asked for themselves.")
    daily_count = models.PositiveIntegerField(null=True, blank=True, help_text="Most automatic approvals a day.")
    daily_amount = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    subject_daily_count = models.PositiveIntegerField(null=True, blank=True, help_text="The same for one subject.")
    subject_daily_amount = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    alpha = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, blank=True, help_text="Largest error rate that the basis claims."
    )
    delta = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, blank=True, help_text="Chance that the claim is wrong."
    )
    certificate_id = models.CharField(max_length=64, blank=True)
    certificate_digest = models.CharField(max_length=71, blank=True)
    basis_reason = models.TextField(blank=True, help_text="Why this may run alone, where there is no certificate.")
    basis_holds_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("version", "action", "model_name", "model_version"),
                name="one_threshold_for_an_action_and_model",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=~Q(autonomy=Autonomy.BY_CONFIDENCE)
                | Q(least_confidence__isnull=False, least_confidence__gt=0, least_confidence__lte=1),
                name="autonomy_needs_a_least_confidence",
            ),
            models.CheckConstraint(
                condition=~Q(autonomy=Autonomy.BY_CONFIDENCE) | Q(audit_rate__gt=0), name="autonomy_is_audited"
            ),
            models.CheckConstraint(
                condition=~Q(autonomy=Autonomy.BY_CONFIDENCE) | ~Q(basis_reason="") | ~Q(certificate_id=""),
                name="autonomy_has_a_basis",
            ),
            models.CheckConstraint(condition=Q(audit_rate__gte=0, audit_rate__lte=1), name="the_audit_rate_is_a_share"),
            models.CheckConstraint(
                condition=Q(verdicts_needed__gte=1, verdicts_needed__lte=3), name="one_to_three_verdicts"
            ),
            models.CheckConstraint(
                condition=Q(deliberate_acts__gte=1, deliberate_acts__lte=2), name="one_or_two_deliberate_acts"
            ),
            models.CheckConstraint(
                condition=Q(largest_amount__isnull=True, daily_amount__isnull=True, subject_daily_amount__isnull=True)
                | ~Q(currency=""),
                name="an_amount_names_its_currency",
            ),
            models.CheckConstraint(
                condition=Q(model_version="") | ~Q(model_name=""), name="a_model_version_names_its_model"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action or 'Any action'} · {self.model_name or 'any model'} {self.model_version}".rstrip()


class Rule(models.Model):
    """One row of a version: an expression that sends what it matches to a person."""

    version = models.ForeignKey(PolicyVersion, models.CASCADE, related_name="rules")
    position = models.PositiveSmallIntegerField(default=0)
    expression = models.TextField(max_length=2000, help_text="CEL; true sends the decision to a person.")
    sentence = models.CharField(max_length=300, help_text="The reason as the reviewer reads it.")
    ask = models.CharField(max_length=300, blank=True, help_text="What the reviewer is to find out.")
    group = models.ForeignKey(
        Group, models.PROTECT, null=True, blank=True, help_text="Who is asked, where not the review group."
    )
    verdicts_needed = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(3)]
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("version", "position"), name="rules_stand_in_order", deferrable=models.Deferrable.DEFERRED
            ),
            models.CheckConstraint(
                condition=Q(verdicts_needed__gte=1, verdicts_needed__lte=3), name="a_rule_needs_one_to_three_verdicts"
            ),
        ]

    def __str__(self) -> str:
        return self.sentence


class Switch(models.Model):
    """The global stop: one row, made by the migration."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    paused = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="one_global_switch")]

    def __str__(self) -> str:
        return "Everything paused" if self.paused else "Running"


class PolicyChange(models.Model):
    """Who did what to a policy or a switch, and why. Never changed."""

    kind = models.CharField(max_length=12, choices=ChangeKind)
    workflow = models.ForeignKey(
        Workflow, models.PROTECT, null=True, related_name="changes", help_text="Empty: everything."
    )
    version = models.ForeignKey(PolicyVersion, models.PROTECT, null=True, related_name="changes")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, help_text="Empty: done by the evidence itself."
    )
    reason = models.TextField()
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(F("at").desc(), name="newest_policy_changes")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.reason}"
