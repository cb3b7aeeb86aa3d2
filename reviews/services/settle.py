"""What time does to a ticket: a hold ends, a deadline passes, it falls due, a lease is over. And upstream's cancel."""

from datetime import datetime
from uuid import UUID

from reviews.models import Client, Outcome, Ticket
from reviews.services.ask import UnknownDecision

__all__ = [
    "AlreadySettled",
    "UnknownDecision",
    "cancel_decision",
    "escalate_due",
    "expire_due",
    "lapse_due",
    "settle_due",
    "settle_if_over",
]


class AlreadySettled(Exception):
    """The answer has been given (409); `outcome` says what it was."""

    def __init__(self, outcome: Outcome) -> None:
        self.detail = f"This decision was {outcome.get_kind_display().lower()} already."
        self.outcome = outcome
        super().__init__(self.detail)


def settle_if_over(ticket: Ticket, *, now: datetime) -> Outcome | None:
    raise NotImplementedError


def settle_due(*, now: datetime, limit: int = 500) -> int:
    raise NotImplementedError


def cancel_decision(decision_id: UUID, *, client: Client, reason: str, now: datetime) -> Outcome:
    raise NotImplementedError


def expire_due(*, now: datetime, limit: int = 500) -> int:
    raise NotImplementedError


def escalate_due(*, now: datetime, limit: int = 500) -> int:
    raise NotImplementedError


def lapse_due(*, now: datetime, limit: int = 500) -> int:
    raise NotImplementedError
