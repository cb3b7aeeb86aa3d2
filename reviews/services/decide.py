"""A person's answer to a ticket they hold, and what they can do instead of answering."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from reviews.models import Ticket, Verdict
from reviews.services.ask import NothingToAnswer, answer_question, ask_upstream
from reviews.services.tickets import (
    AlreadyDecided,
    Asked,
    ClaimError,
    ClaimLost,
    Held,
    NotAllowed,
    NotVisible,
)

__all__ = [
    "AlreadyDecided",
    "Answer",
    "Asked",
    "ClaimError",
    "ClaimLost",
    "DecideError",
    "Held",
    "HoldOver",
    "InvalidAnswer",
    "NotAllowed",
    "NotVisible",
    "NothingToAnswer",
    "Stale",
    "TooSoon",
    "answer_question",
    "ask_upstream",
    "escalate_ticket",
    "give_verdict",
    "undo_verdict",
]


class DecideError(ClaimError):
    """The claim stands, but this can't be done with it."""


class Stale(DecideError):
    """The ticket, or what was shown of it, has changed since (412)."""

    def __init__(self) -> None:
        super().__init__("This ticket has changed since it was shown. Look again.")


class TooSoon(DecideError):
    """Nobody can have read it in that time."""

    def __init__(self) -> None:
        super().__init__("That was too quick to have been read. Look again.")


class HoldOver(DecideError):
    """The verdict can't be taken back any more."""


class InvalidAnswer(DecideError):
    """The answer can't be taken as it stands (422). `errors` are pairs of a JSON Pointer into it and a sentence."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(" ".join(detail for _, detail in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reviewer sends with a verdict. `acts` counts the deliberate acts that were made, 1 or 2."""

    kind: str
    epoch: int
    version: int
    shown_sha256: str
    request_key: str
    action: str = ""  # of an override
    payload: Mapping[str, Any] | None = None  # of an edit or override
    material: bool | None = None  # of an edit
    reason_code: str = ""
    note: str = ""
    reasoning_rating: int | None = None
    acts: int = 1
    estimate: str = ""


def give_verdict(ticket_id: UUID, *, reviewer: User, answer: Answer, now: datetime) -> Verdict:
    raise NotImplementedError


def undo_verdict(ticket_id: UUID, *, reviewer: User, now: datetime) -> Ticket:
    raise NotImplementedError


def escalate_ticket(ticket_id: UUID, *, reviewer: User, epoch: int, note: str, now: datetime) -> Ticket:
    raise NotImplementedError
