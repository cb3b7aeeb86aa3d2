"""Heartbeats: which process lives, and when a sweep last did its work."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reviews.models import Heartbeat


def beat(name: str, *, now: datetime, detail: Mapping[str, Any] | None = None) -> None:
    """Write that `name` did its work at `now`: a process, or with a colon in its name what one of them looks after."""
    Heartbeat.objects.update_or_create(name=name, defaults={"beat_at": now, "detail": dict(detail or {})})
