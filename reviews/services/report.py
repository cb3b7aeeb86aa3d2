"""What upstream and executors tell afterwards: what came of an action, and what turned out to be right."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from reviews.domain.vocabulary import MAY_RUN, EventKind
from reviews.models import Client, Decision, Execution, Outcome, Permit, Truth
from reviews.services.ask import UnknownDecision
from reviews.services.record import record

__all__ = ["NothingMayRun", "TruthStands", "UnknownDecision", "report_execution", "report_truth"]


class NothingMayRun(Exception):
    """The decision has no outcome that lets anything run (409)."""

    def __init__(self) -> None:
        self.detail = "This decision has no outcome that lets anything run."
        super().__init__(self.detail)


class TruthStands(Exception):
    """This client has reported another truth of the decision before (409)."""

    def __init__(self) -> None:
        self.detail = "You have reported another truth of this decision before; it stands."
        super().__init__(self.detail)


def report_execution(decision_id: UUID, *, client: Client, status: str, detail: str, now: datetime) -> Execution:
    """Keep what came of an action, as who submitted it or a permit's audience tells. The same again is kept once.

    Raises UnknownDecision, or NothingMayRun.
    """
    with transaction.atomic():
        decision = Decision.objects.filter(pk=decision_id).first()
        if decision is None or not _may_report(decision, client):
            raise UnknownDecision
        if not Outcome.objects.filter(pk=decision_id, kind__in=MAY_RUN).exists():
            raise NothingMayRun
        last = Execution.objects.filter(decision=decision, client=client).order_by("-id").first()
        if last is not None and (last.status, last.detail) == (status, detail):
            return last
        execution = Execution.objects.create(
            decision=decision, client=client, status=status, detail=detail, reported_at=now
        )
        body = {**_about(decision, by=client), "status": str(status)}
        record(EventKind.EXECUTION_REPORTED, now=now, decision=decision, body=body)
        return execution


def report_truth(
    which: UUID | tuple[str, str], *, client: Client, right_action: str, detail: str, now: datetime
) -> Truth:
    """Keep what turned out to be the right action of a decision, once for each client that reports it.

    `which` is the decision's id, or the name of the client that proposed and its external id. A client reports on its
    own decisions; one that is independent, on all in its workflows. Raises UnknownDecision, or TruthStands when it has
    reported another one before; the same again gives what stands.
    """
    with transaction.atomic():
        decision = _reported_on(which, client)
        independent = client.independent and client.pk != decision.client_id
        truth, is_new = Truth.objects.get_or_create(
            decision=decision,
            client=client,
            defaults={
                "right_action": right_action,
                "independent": independent,
                "detail": detail,
                "reported_at": now,
            },
        )
        if is_new:
            body = {
                **_about(decision, by=client),
                "right_action": right_action,
                "proposed_action": decision.action,
                "independent": independent,
            }
            record(EventKind.TRUTH_REPORTED, now=now, decision=decision, body=body)
        elif truth.right_action != right_action:
            raise TruthStands
        return truth


def _reported_on(which: UUID | tuple[str, str], client: Client) -> Decision:
    known = {"pk": which} if isinstance(which, UUID) else {"client__name": which[0], "external_id": which[1]}
    reachable = Q(client=client)
    if client.independent:
        reachable |= Q(workflow__in=client.workflows.all())
    decision: Decision | None = Decision.objects.filter(reachable, **known).first()
    if decision is None:
        raise UnknownDecision
    return decision


def _may_report(decision: Decision, client: Client) -> bool:
    """Who submitted it, or an executor that a permit of it names."""
    return decision.client_id == client.pk or Permit.objects.filter(outcome=decision.pk, audience=client).exists()


def _about(decision: Decision, *, by: Client) -> dict[str, Any]:
    return {"decision": str(decision.pk), "external_id": decision.external_id, "actor": {"client": by.pk}}
