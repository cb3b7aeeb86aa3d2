"""The audit log: who did what, on what. Never changed."""

from typing import ClassVar

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q

from policies.models import PolicyChange, Workflow
from reviews.domain.vocabulary import EventKind
from reviews.models.client import Client
from reviews.models.columns import TransactionIdField
from reviews.models.decision import Decision
from reviews.models.ticket import Ticket


class Event(models.Model):
    """One thing that happened, written in the transaction in which it happened.

    `body` is canonical JSON of ids, codes, figures and hashes, never of free text: it outlives the purge.
    Readers that must not skip a row read in the order (xid, id), up to the snapshot's oldest running transaction.
    """

    id = models.BigAutoField(primary_key=True)
    xid = TransactionIdField()
    epoch = models.PositiveSmallIntegerField(db_default=1)  # raised when a database was restored
    kind = models.CharField(max_length=24, choices=EventKind)
    at = models.DateTimeField()
    user = models.ForeignKey(get_user_model(), models.PROTECT, null=True, related_name="+")  # who, where a person
    client = models.ForeignKey(Client, models.PROTECT, null=True, related_name="+")  # whose decision it concerns
    workflow = models.ForeignKey(Workflow, models.PROTECT, null=True, related_name="+")
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="events")
    ticket = models.ForeignKey(Ticket, models.PROTECT, null=True, related_name="events")
    policy_change = models.OneToOneField(PolicyChange, models.PROTECT, null=True, related_name="event")
    body = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(body=""), name="an_event_has_a_body"),
        ]
        indexes: ClassVar = [
            models.Index("client", "xid", "id", name="feed_of_a_client"),
            models.Index("xid", "id", name="feed"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.kind}"


class Leaf(models.Model):
    """The place of an event in the tree. Never changed."""

    index = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, models.PROTECT, related_name="leaf")
    hash = models.BinaryField()


class Checkpoint(models.Model):
    """A signed head of the tree. Never changed."""

    size = models.BigIntegerField()
    root = models.BinaryField()
    note = models.TextField()  # C2SP signed note
    created_at = models.DateTimeField()
