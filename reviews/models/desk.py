"""What a reviewer prefers, what they look at, and which process lives."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from reviews.domain.vocabulary import Theme
from reviews.models.ticket import Ticket


class ReviewerProfile(models.Model):
    """What a reviewer prefers."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="reviewer_profile")
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    shows_sensitive = models.BooleanField(default=False)  # without asking each time
    away = models.BooleanField(default=False)  # no ticket is kept for them, and no notification is sent


class SavedFilter(models.Model):
    """A view of the desk under a name."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_filters", db_index=False)
    title = models.CharField(max_length=80)
    query = models.CharField(max_length=500)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("user", "title"), name="one_saved_filter_of_a_title"),
        ]


class Presence(models.Model):
    """Which ticket somebody looks at: a row a person, written again while the page is looked at. Soon forgotten."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="+")
    seen_at = models.DateTimeField()


class Heartbeat(models.Model):
    """When a process last did its work (`worker`), or a work was last done (`evidence:<workflow>`, `sweep:purge`).

    The name of a process has no colon.
    """

    name = models.CharField(primary_key=True, max_length=120)
    beat_at = models.DateTimeField()
    detail = models.JSONField(default=dict)
