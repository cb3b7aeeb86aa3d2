"""Who speaks to us by REST."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from simple_history.models import HistoricalRecords

from policies.models import Workflow
from reviews.domain.vocabulary import Scope


class Client(models.Model):
    """An upstream system, an executor, or a source of truth."""

    name = models.CharField(max_length=120, unique=True)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope), default=list, blank=True)
    workflows = models.ManyToManyField(Workflow, blank=True, related_name="clients")
    rate_limit = models.PositiveIntegerField(default=6000, help_text="Requests a minute; 0 is no limit.")
    independent = models.BooleanField(
        default=False, help_text="Independent of those that propose: its truth counts as a label."
    )
    internal = models.BooleanField(default=False, editable=False, help_text="Ours: it submits known answers.")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ClientKey(models.Model):
    """An API key `cs_<prefix>_<secret>`; only the secret's SHA-256 is kept."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="keys")
    prefix = models.CharField(max_length=16, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(secret_sha256__regex=r"^[0-9a-f]{64}$"),  # noqa: S106  a pattern, no secret
                name="a_key_keeps_only_a_hash",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.client} cs_{self.prefix}_…"


class Allowance(models.Model):
    """What a key may still ask, as of a moment: a bucket that all web processes take from."""

    key = models.OneToOneField(ClientKey, models.CASCADE, primary_key=True, related_name="allowance")
    left = models.FloatField()  # requests
    taken = models.FloatField()  # at the last look, by whoever looked
    at = models.DateTimeField()
