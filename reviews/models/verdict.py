"""A person's answer."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from policies.domain.vocabulary import VerdictKind
from reviews.domain.vocabulary import RejectReason
from reviews.models.decision import new_id
from reviews.models.ticket import Ticket

STANDING = Q(voided_at__isnull=True)


class VerdictQuerySet(models.QuerySet["Verdict"]):
    """The vocabulary of verdicts."""

    def standing(self) -> "VerdictQuerySet":
        return self.filter(STANDING)

    def by(self, reviewer: object) -> "VerdictQuerySet":
        return self.filter(reviewer=reviewer)

    def newest_first(self) -> "VerdictQuerySet":
        return self.order_by("-decided_at", "-id")


class Verdict(models.Model):
    """Never changed, but voided within the hold, and purged of its content after retention."""

    id = models.UUIDField(primary_key=True, default=new_id)
    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="verdicts")
    stage = models.PositiveSmallIntegerField()
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="verdicts", db_index=False)
    kind = models.CharField(max_length=8, choices=VerdictKind)
    action = models.CharField(max_length=80)  # what is to run, or would have
    payload = models.JSONField(null=True)  # what is to run with it
    payload_sha256 = models.CharField(max_length=64)
    material = models.BooleanField(null=True)  # of an edit: did it change the substance, or only the style?
    reason_code = models.CharField(max_length=20, choices=RejectReason, blank=True)
    note = models.TextField(null=True)
    reasoning_rating = models.PositiveSmallIntegerField(
        null=True, validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    estimate = models.CharField(max_length=80, blank=True)  # the reviewer's own answer, given before the AI's was shown
    shown_sha256 = models.CharField(max_length=64)  # what was on the screen
    first_shown_at = models.DateTimeField()
    decided_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    request_key = models.CharField(max_length=64)
    voided_at = models.DateTimeField(null=True)

    objects = VerdictQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("ticket", "stage"), condition=STANDING, name="one_verdict_at_a_stage"),
            models.UniqueConstraint(
                fields=("ticket", "reviewer"), condition=STANDING, name="one_verdict_by_a_person_on_a_ticket"
            ),
            models.UniqueConstraint(fields=("reviewer", "request_key"), name="one_verdict_of_a_request"),
            models.CheckConstraint(condition=Q(kind__in=VerdictKind.values), name="a_verdict_kind_is_known"),
            models.CheckConstraint(
                condition=Q(kind=VerdictKind.EDIT, material__isnull=False)
                | (~Q(kind=VerdictKind.EDIT) & Q(material__isnull=True)),
                name="an_edit_says_whether_it_is_material",
            ),
            models.CheckConstraint(
                condition=Q(reasoning_rating__isnull=True) | Q(reasoning_rating__gte=1, reasoning_rating__lte=5),
                name="a_rating_is_1_to_5",
            ),
        ]
        indexes: ClassVar = [
            models.Index("reviewer", F("decided_at").desc(), name="verdicts_by_reviewer"),
            models.Index(F("decided_at").desc(), name="newest_verdicts"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.reviewer_id}"


class Estimate(models.Model):
    """A reviewer's own answer to an audit, recorded before they were shown the AI's. Never changed."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="estimates", db_index=False)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    action = models.CharField(max_length=80)
    given_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("ticket", "reviewer"), name="one_estimate_by_a_person_on_a_ticket"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.reviewer_id}"
