"""Somebody looks at a ticket."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User

from reviews.models import Presence


def look_at(ticket_id: UUID, *, user: User, now: datetime) -> None:
    """Write that `user` has this ticket open, and with that no other. Raises nothing."""
    Presence.objects.update_or_create(user=user, defaults={"ticket_id": ticket_id, "seen_at": now})
