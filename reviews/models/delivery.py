"""Webhooks and notifications: where to, the outbox, and each try."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from policies.models import Workflow
from reviews.domain.vocabulary import ChannelKind, DeliveryState, Notice, WebhookType, every_notice
from reviews.models.client import Client
from reviews.models.decision import Decision, new_id
from reviews.models.event import Event


class Receiver(models.Model):
    """Whatever is sent messages. One that only fails is disabled after days."""

    active = models.BooleanField(default=True)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        abstract = True


class Endpoint(Receiver):
    """Where a client wants to be told."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="endpoints")
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=120, help_text="whsec_…; signs each delivery.")
    previous_secret = models.CharField(max_length=120, blank=True, help_text="Also signs, during a rotation.")
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(excluded_fields=["secret", "previous_secret", "failing_since"])

    def __str__(self) -> str:
        return self.url


class Channel(Receiver):
    """Where people want to be told."""

    title = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=8, choices=ChannelKind)
    workflow = models.ForeignKey(
        Workflow,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="channels",
        help_text="Whose news it is told. Empty: every workflow's.",
    )
    address = models.CharField(
        max_length=500,
        blank=True,
        help_text="A mailbox, or the URL of an incoming webhook. For e-mail, empty: each of those whom it concerns, "
        "of a ticket the members of its group, of all else leads and admins; nobody who is away.",
    )
    notices = ArrayField(
        models.CharField(max_length=20, choices=Notice), default=every_notice, help_text="What it is told."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # Whoever knows the URL of an incoming webhook can write into the room.
    history = HistoricalRecords(excluded_fields=["address", "failing_since"])

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(kind=ChannelKind.SLACK) | ~Q(address=""), name="a_chat_room_has_an_address"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Delivery(models.Model):
    """One message to one endpoint or channel: written with what it tells, sent by the dispatcher, at least once."""

    id = models.UUIDField(primary_key=True, default=new_id)  # the webhook-id, the same at each try
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, null=True, related_name="deliveries", db_index=False)
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, related_name="deliveries", db_index=False)
    # Who is written to, where the channel has no address of its own.
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    event = models.ForeignKey(Event, models.PROTECT, related_name="deliveries", db_index=False)
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="deliveries", db_index=False)
    type = models.CharField(max_length=28, choices={**dict(WebhookType.choices), **dict(Notice.choices)})
    body = models.TextField()
    count = models.PositiveIntegerField(default=1, db_default=1)  # how many tickets one notification tells of
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts_made = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("endpoint", "event"), name="one_delivery_of_an_event_to_an_endpoint"),
            models.UniqueConstraint(
                fields=("channel", "event", "recipient"),
                condition=Q(channel__isnull=False),
                name="one_delivery_of_an_event_to_a_channel",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(endpoint__isnull=False, channel__isnull=True, recipient__isnull=True)
                | Q(endpoint__isnull=True, channel__isnull=False),
                name="a_delivery_goes_to_an_endpoint_or_a_channel",
            ),
        ]
        indexes: ClassVar = [
            models.Index("created_at", name="dead_deliveries", condition=Q(state=DeliveryState.DEAD)),
            # What is due, and what is being sent just now: a backlog of one endpoint costs the others nothing.
            models.Index("endpoint", "next_attempt_at", name="outbox", condition=Q(state=DeliveryState.WAITING)),
            models.Index(
                "endpoint",
                "leased_until",
                name="leased_deliveries",
                condition=Q(state=DeliveryState.WAITING, leased_until__isnull=False),
            ),
            models.Index(
                "channel",
                "next_attempt_at",
                name="notifications",
                condition=Q(state=DeliveryState.WAITING, channel__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.endpoint_id or self.channel_id}"

    @property
    def receiver(self) -> Receiver:
        """The endpoint or the channel."""
        found = self.endpoint or self.channel
        assert found is not None, "the database holds that there is one"
        return found


class Attempt(models.Model):
    """One try of a delivery."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)  # of the response; empty when there was none
    error = models.CharField(max_length=300, blank=True)
    response = models.TextField(blank=True)  # its first kilobyte
    milliseconds = models.PositiveIntegerField()
