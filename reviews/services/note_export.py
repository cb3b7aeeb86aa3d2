"""That somebody took a copy of the log is itself in the log."""

from datetime import datetime

from django.contrib.auth.models import User

from reviews.domain.vocabulary import EventKind
from reviews.models import Event
from reviews.services.record import record


def note_export(user: User, *, form: str, filters: tuple[str, ...], now: datetime) -> Event:
    """Write the event: who, as what file, filtered by which fields (their names; what was sought may be personal)."""
    body = {"what": "log", "form": form, "filters": sorted(filters)}
    return record(EventKind.EXPORTED, now=now, user=user, body=body)
