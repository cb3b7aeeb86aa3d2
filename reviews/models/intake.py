"""What was received to be judged later: written before it is answered, so that the broker never holds the only copy."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from reviews.domain.vocabulary import IntakeKind, LineState
from reviews.models.client import Client
from reviews.models.decision import new_id


class Intake(models.Model):
    """One request that asked to be answered later."""

    id = models.UUIDField(primary_key=True, default=new_id)
    client = models.ForeignKey(Client, models.PROTECT, related_name="intakes", db_index=False)
    kind = models.CharField(max_length=8, choices=IntakeKind)
    idempotency_key = models.CharField(max_length=255, null=True)
    fingerprint = models.CharField(max_length=64)  # SHA-256 of the body
    lines_total = models.PositiveIntegerField()
    lines_done = models.PositiveIntegerField(default=0)
    received_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("client", "idempotency_key"), name="one_intake_of_an_idempotency_key"),
        ]
        indexes: ClassVar = [
            models.Index("received_at", name="unfinished_intakes", condition=Q(finished_at__isnull=True)),
        ]


class IntakeLine(models.Model):
    """One line, the decision's id that it will have, and what became of it."""

    intake = models.ForeignKey(Intake, models.CASCADE, related_name="lines", db_index=False)
    number = models.PositiveIntegerField()  # from 1
    raw = models.BinaryField()
    decision_id = models.UUIDField()
    state = models.CharField(max_length=10, choices=LineState, default=LineState.RECEIVED)
    result = models.JSONField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("intake", "number"), name="one_line_of_a_number"),
        ]
        indexes: ClassVar = [
            models.Index("intake", "number", name="lines_to_ingest", condition=Q(state=LineState.RECEIVED)),
            models.Index("decision_id", name="lines_by_decision"),
        ]
