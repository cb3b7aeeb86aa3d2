"""What upstream and executors tell afterwards: what came of an action, and what turned out to be right."""

from datetime import datetime
from uuid import UUID

from reviews.models import Client, Execution, Truth
from reviews.services.ask import UnknownDecision

__all__ = ["NotRunnable", "TruthConflict", "UnknownDecision", "report_execution", "report_truth"]


class NotRunnable(Exception):
    """Nothing may have run: the decision has no outcome that lets anything run (409)."""

    def __init__(self) -> None:
        self.detail = "This decision has no outcome that lets anything run."
        super().__init__(self.detail)


class TruthConflict(Exception):
    """This client has reported another truth of the decision before (409)."""

    def __init__(self) -> None:
        self.detail = "You have reported another truth of this decision before; it stands."
        super().__init__(self.detail)


def report_execution(decision_id: UUID, *, client: Client, status: str, detail: str, now: datetime) -> Execution:
    raise NotImplementedError


def report_truth(
    decision_id: UUID | None = None,
    *,
    client: Client,
    of_client: str = "",
    external_id: str = "",
    right_action: str,
    detail: str,
    now: datetime,
) -> Truth:
    raise NotImplementedError
