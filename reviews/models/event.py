"""The audit log: who did what, on what. Never changed."""

from typing import ClassVar

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q

from policies.models import PolicyChange, Workflow
from reviews.domain.vocabulary import EventKind, RestoreCause
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
    # Whose decision it concerns.
    client = models.ForeignKey(Client, models.PROTECT, null=True, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, models.PROTECT, null=True, related_name="+", db_index=False)
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
            models.Index("epoch", "xid", "id", name="feed"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.kind}"


class Leaf(models.Model):
    """The place of an event in the tree. Never changed."""

    index = models.BigIntegerField(primary_key=True)
    # Without the database's own check, which would write to each event that is sealed. Events are never deleted.
    event = models.OneToOneField(Event, models.PROTECT, related_name="leaf", db_constraint=False)
    hash = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.index}"


class KeptNode(models.Model):
    """The hash over each full 256, 65,536, … leaves: proofs are made from a few of them. Never changed."""

    level = models.PositiveSmallIntegerField()  # a multiple of 8
    index = models.BigIntegerField()
    hash = models.BinaryField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["level", "index"], name="a_subtree_is_kept_once")]

    def __str__(self) -> str:
        return f"{self.level}/{self.index}"


class Checkpoint(models.Model):
    """A signed head of the tree. Never changed."""

    epoch = models.PositiveSmallIntegerField(default=1)
    size = models.BigIntegerField()
    root = models.BinaryField()
    note = models.TextField()  # C2SP signed note
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.epoch}/{self.size}"


class Restore(models.Model):
    """That the database is not what it was. Until it is acknowledged, nothing runs alone and nothing is sealed."""

    epoch = models.PositiveSmallIntegerField(unique=True)  # of the events that are written from then on
    cause = models.CharField(max_length=12, choices=RestoreCause)
    size = models.BigIntegerField()  # leaves that the database had then
    outside = models.TextField(blank=True)  # the newest checkpoint that was found outside, a signed note
    noticed_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(acknowledged_at__isnull=True), name="one_restore_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.epoch} {self.cause}"
