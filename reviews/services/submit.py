"""Takes a decision in: judged, routed and recorded in one call of the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from reviews.domain.submission import InvalidSubmission, Submission
from reviews.models import Client, ClientKey


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer (see reviews.domain.answer), and whether the decision was there already."""

    answer: dict[str, Any]
    replayed: bool


class SubmitError(Exception):
    """The decision was not recorded; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Conflict(SubmitError):
    """Another request stands under this external id or idempotency key, as `decision_id` (409)."""

    def __init__(self, *, decision_id: UUID, which: Literal["external_id", "idempotency_key"]) -> None:
        words = which.replace("_", " ")
        super().__init__(f"Another decision stands under this {words}: {decision_id}.")
        self.decision_id, self.which = decision_id, which


class UnknownWorkflow(InvalidSubmission):
    """There is no such workflow (422)."""


class WorkflowNotYours(UnknownWorkflow):
    """The client may not submit there; it is told the same as of one that doesn't exist (422)."""


class TwinInFlight(SubmitError):
    """The same request is being taken in at this moment (409, to be tried again after a second)."""


class KeyEnded(SubmitError):
    """The key or its client was ended while the request was under way (401)."""


def submit_decision(
    *,
    client: Client,
    submission: Submission,
    key: str | None,
    now: datetime,
    decision_id: UUID | None = None,
    client_key: ClientKey | None = None,
) -> Submitted:
    raise NotImplementedError
