"""Webhooks: where to, the outbox, and each try."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from reviews.domain.vocabulary import DeliveryState, WebhookType
from reviews.models.client import Client
from reviews.models.decision import Decision, new_id
from reviews.models.event import Event


class Endpoint(models.Model):
    """Where a client wants to be told."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="endpoints")
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=120, help_text="whsec_…; signs each delivery.")
    previous_secret = models.CharField(max_length=120, blank=True, help_text="Also signs, during a rotation.")
    active = models.BooleanField(default=True)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(excluded_fields=["secret", "previous_secret", "failing_since"])

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One message to one endpoint: written with what it tells, sent by the dispatcher, at least once."""

    id = models.UUIDField(primary_key=True, default=new_id)  # the webhook-id, the same at each try
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(Event, models.PROTECT, related_name="deliveries")
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="deliveries")
    type = models.CharField(max_length=28, choices=WebhookType)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts_made = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("endpoint", "event"), name="one_delivery_of_an_event_to_an_endpoint"),
        ]
        indexes: ClassVar = [
            # What is due, and what is being sent just now: a backlog of one endpoint costs the others nothing.
            models.Index("endpoint", "next_attempt_at", name="outbox", condition=Q(state=DeliveryState.WAITING)),
            models.Index(
                "endpoint",
                "leased_until",
                name="leased_deliveries",
                condition=Q(state=DeliveryState.WAITING, leased_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.endpoint_id}"


class Attempt(models.Model):
    """One try of a delivery."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)  # of the response; empty when there was none
    error = models.CharField(max_length=300, blank=True)
    response = models.TextField(blank=True)  # its first kilobyte
    milliseconds = models.PositiveIntegerField()
