"""The outbox dispatcher: takes what is due, sends it outside any transaction, writes down the try."""

from datetime import datetime
from uuid import UUID

from reviews.models import Delivery, Endpoint


def deliver_due(*, now: datetime, limit: int = 100) -> int:
    raise NotImplementedError


def replay_delivery(delivery_id: UUID, *, now: datetime) -> Delivery:
    raise NotImplementedError


def replay_since(endpoint: Endpoint, *, since: datetime, now: datetime) -> int:
    raise NotImplementedError
