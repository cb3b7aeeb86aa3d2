"""A decision and its ticket as anybody would write them down."""

import uuid

from django.db import models


class PlainDecision(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    external_id = models.CharField(max_length=255, unique=True)
    workflow = models.CharField(max_length=50)
    action = models.CharField(max_length=80)
    subject = models.JSONField(null=True)
    payload = models.JSONField()
    confidence = models.DecimalField(max_digits=7, decimal_places=6, null=True)
    alternatives = models.JSONField(null=True)
    reasoning = models.TextField(blank=True)
    context = models.JSONField(null=True)
    model = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)
    objects: models.Manager["PlainDecision"] = models.Manager()


class PlainTicket(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    decision = models.ForeignKey(PlainDecision, models.CASCADE)
    state = models.CharField(max_length=12, default="open")
    priority = models.PositiveSmallIntegerField(default=2)
    created_at = models.DateTimeField(auto_now_add=True)
    objects: models.Manager["PlainTicket"] = models.Manager()
