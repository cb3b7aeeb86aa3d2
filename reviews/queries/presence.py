"""Who has a ticket open."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import F

from reviews.models import Presence
from reviews.queries.queue import name_of

FORGOTTEN_AFTER: Final = timedelta(seconds=30)
"""Pages say every ten seconds that they are looked at: whoever missed that twice has gone."""
SHOWN: Final = 5


def others_at(ticket_id: UUID, *, user: User, now: datetime) -> tuple[str, ...]:
    """The names of everybody else who has it open, but for whoever holds it: that is said already. One query."""
    looking = (
        Presence.objects.filter(ticket=ticket_id, seen_at__gt=now - FORGOTTEN_AFTER)
        .exclude(user=user)
        .exclude(ticket__claimed_by__isnull=False, ticket__claimed_by=F("user"))
        .select_related("user")
        .order_by("user__username")[:SHOWN]
    )
    return tuple(name_of(each.user) for each in looking)
