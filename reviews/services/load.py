"""Writes many submissions at once: judged on the truth, while the stop locks are held, and copied into the tables.

The single way in is submit.py, whose rows these are (compose.py makes both); what doesn't fit in here goes that way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Count, Min, Q
from django.db.models.functions import Lower

from policies.domain.evaluate import audit_draw
from policies.domain.vocabulary import Route
from policies.models import Workflow
from policies.services.stop import take_stop_locks_shared
from reviews.domain.submission import Submission
from reviews.domain.vocabulary import DecisionStatus, Scope, TicketKind
from reviews.models import Client, Decision, Endpoint, IntakeLine, new_id
from reviews.queries import decision_answers
from reviews.services.compose import Composed, compose
from reviews.services.judge import NOBODY, Judged, Known, Requester, judge, known_workflows
from reviews.services.results import Result, created, refused, replayed
from reviews.services.ring import ring
from reviews.services.submit import Conflict, KeyEnded, deadline_passed, unknown_workflow


@dataclass(frozen=True, slots=True)
class _Truth:
    """What holds while the stop locks are held."""

    may_submit: bool
    workflows: Mapping[str, tuple[Workflow, Known]]
    requesters: Mapping[str, Requester]
    groups: Mapping[str, int]
    endpoints: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Stands:
    """A decision that is there already, or was taken in by a line before."""

    id: UUID
    fingerprint: str
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Row:
    """A decision about to be written."""

    composed: Composed
    judged: Judged
    workflow: Workflow


def load(lines: Sequence[tuple[IntakeLine, Submission]], *, client: Client, now: datetime) -> dict[IntakeLine, Result]:
    """Write the decisions of `lines`, in the caller's transaction, and say of each line what became of it.

    A line that takes from a budget is left out: whether that is spent is only known one by one. Raises IntegrityError
    and OperationalError when somebody else submits one of them just now; nothing of `lines` is written then.
    """
    workflows = {submission.proposal.workflow for _, submission in lines}
    take_stop_locks_shared(Workflow.objects.filter(key__in=workflows).values_list("pk", flat=True))
    truth = _read_truth([submission for _, submission in lines], workflows, client=client)
    if not truth.may_submit:
        return {line: refused(KeyEnded("This key may not submit decisions any more.")) for line, _ in lines}
    standing = _standing([submission.external_id for _, submission in lines], client=client)
    results: dict[IntakeLine, Result] = {}
    rows: list[_Row] = []
    for line, submission in lines:
        stands = standing.get(submission.external_id)
        if stands is not None:
            results[line] = _result_of(stands, submission, own=line.decision_id)
        elif submission.proposal.workflow not in truth.workflows:
            results[line] = refused(unknown_workflow(submission.proposal.workflow))
        elif submission.deadline is not None and submission.deadline <= now:
            results[line] = refused(deadline_passed(submission.deadline))
        else:
            row = _judged(submission, truth, decision_id=line.decision_id, client=client, now=now)
            if row.composed.budgets is not None:
                continue
            rows.append(row)
            answer = _answer(row.composed)
            standing[submission.external_id] = _Stands(line.decision_id, submission.fingerprint, answer)
            results[line] = created(answer)
    _write(rows, truth=truth, client=client, now=now)
    return results


def _read_truth(submissions: Sequence[Submission], workflows: Iterable[str], *, client: Client) -> _Truth:
    current = Client.objects.get(pk=client.pk)
    theirs = Q(key__in=workflows, clients=client.pk)
    rows = {workflow.pk: workflow for workflow in Workflow.objects.filter(theirs)}
    emails = {submission.proposal.requested_by.lower() for submission in submissions} - {""}
    users = User.objects.annotate(address=Lower("email")).filter(address__in=emails)
    found = users.values("address").annotate(first=Min("pk"), number=Count("pk")).order_by()
    return _Truth(
        may_submit=current.active and Scope.DECISIONS_WRITE in current.scopes,
        workflows={known.workflow: (rows[known.workflow_id], known) for known in known_workflows(Q(pk__in=rows))},
        requesters={each["address"]: Requester(each["first"], each["number"] == 1) for each in found},
        groups=dict(Group.objects.values_list("name", "pk")),
        endpoints=list(Endpoint.objects.filter(client=client, active=True).values_list("pk", flat=True))
        if not current.internal
        else [],
    )


def _standing(external_ids: Sequence[str], *, client: Client) -> dict[str, _Stands]:
    """The decisions that are there already, by external id."""
    found = list(
        Decision.everything.filter(client=client, external_id__in=external_ids).select_related("policy_version")
    )
    return {
        decision.external_id: _Stands(decision.pk, decision.fingerprint, answer)
        for decision, answer in zip(found, decision_answers(found) if found else (), strict=True)
    }


def _result_of(stands: _Stands, submission: Submission, *, own: UUID) -> Result:
    if stands.fingerprint != submission.fingerprint:
        return refused(Conflict(decision_id=stands.id, which="external_id"))
    # What a run made that was killed before it could say so is this line's own.
    return created(stands.answer) if stands.id == own else replayed(stands.answer)


def _judged(submission: Submission, truth: _Truth, *, decision_id: UUID, client: Client, now: datetime) -> _Row:
    proposal = submission.proposal
    workflow, known = truth.workflows[proposal.workflow]
    judged = judge(
        proposal,
        known=known,
        requester=truth.requesters.get(proposal.requested_by.lower(), NOBODY),
        budget_spent=(),
        now=now,
        draw=audit_draw(decision_id, settings.COUNTERSIGN_AUDIT_KEY.encode()),
    )
    composed = compose(submission, judged=judged, decision_id=decision_id, client_id=client.pk, now=now)
    return _Row(composed, judged, workflow)


def _answer(composed: Composed) -> dict[str, Any]:
    automatic = composed.route == Route.AUTO
    status = DecisionStatus.APPROVED if automatic else DecisionStatus.PENDING_REVIEW
    return {"id": str(composed.id), "status": str(status), "route": composed.route}


# --- The rows ---------------------------------------------------------------------------------------------------------

# The first fields of Composed are columns of the decision, by the same names.
_DECISION: Final = Composed._fields[: Composed._fields.index("flag_probability") + 1]
_DECISION_REST: Final = ("client_id", "workflow_id", "requester_id", "policy_version_id", "internal", "received_at")
_TICKET: Final = (
    *("id", "decision_id", "kind", "state", "resting_state", "workflow_id", "group_id", "priority", "created_at"),
    *("due_at", "deadline", "claim_epoch", "stage", "verdicts_needed", "deliberate_acts", "estimate_first"),
    *("requester_id", "reminders_sent", "version"),
)
_OUTCOME: Final = ("decision_id", "kind", "method", "action", "payload", "payload_sha256", "settled_at")
_EVENT: Final = ("id", "kind", "at", "client_id", "workflow_id", "decision_id", "ticket_id", "body")
_SHADOW: Final = ("decision_id", "policy_version_id", "route", "reasons")
_DELIVERY: Final = (
    *("id", "endpoint_id", "event_id", "decision_id", "type", "body", "state", "attempts_made", "next_attempt_at"),
    "created_at",
)


def _write(rows: Sequence[_Row], *, truth: _Truth, client: Client, now: datetime) -> None:
    """The same rows, column by column, as submit.sql inserts."""
    events = _events(rows, client=client, now=now)
    _copy("reviews_decision", (*_DECISION, *_DECISION_REST), (_decision(row, client=client, now=now) for row in rows))
    _copy("reviews_ticket", _TICKET, (_ticket(row, truth, now=now) for row in rows if row.composed.ticket))
    _copy("reviews_outcome", _OUTCOME, (_outcome(row.composed, now=now) for row in rows if row.composed.settled))
    _copy("reviews_event", _EVENT, (event for of_one in events for event in of_one))
    _copy("reviews_shadowassessment", _SHADOW, (_shadow(row) for row in rows if row.composed.shadow_route))
    _copy(
        "reviews_delivery",
        _DELIVERY,
        (
            _delivery(row.composed, of_one[-1][0], endpoint, now=now)
            for row, of_one in zip(rows, events, strict=True)
            for endpoint in truth.endpoints
        ),
    )
    if truth.endpoints:
        ring("reviews.tasks.deliver")


def _decision(row: _Row, *, client: Client, now: datetime) -> tuple[Any, ...]:
    composed, judged = row.composed, row.judged
    return (
        *composed[: len(_DECISION)],
        client.pk,
        row.workflow.pk,
        judged.requester.user_id,
        judged.known.version_id,
        client.internal,
        now,
    )


def _ticket(row: _Row, truth: _Truth, *, now: datetime) -> tuple[Any, ...]:
    composed, workflow = row.composed, row.workflow
    is_gate = composed.ticket_kind == TicketKind.GATE
    time = timedelta(minutes=workflow.sla_minutes) if is_gate else timedelta(hours=workflow.audit_sla_hours)
    return (
        composed.ticket,
        composed.id,
        composed.ticket_kind,
        "open",
        "open",
        workflow.pk,
        truth.groups.get(composed.group, workflow.review_group_id),
        composed.priority,
        now,
        now + time,
        composed.deadline,
        0,
        1,
        composed.verdicts_needed,
        composed.deliberate_acts,
        _asks_estimate(composed, workflow),
        row.judged.requester.user_id,
        0,
        1,
    )


def _asks_estimate(composed: Composed, workflow: Workflow) -> bool:
    """Whether the audit asks for an own estimate first: the last four bytes of its id, which are random, draw it."""
    if composed.ticket is None or composed.ticket_kind != TicketKind.AUDIT:
        return False
    return bool(composed.ticket.int & 0xFFFFFFFF < workflow.estimate_first_share * 2**32)


def _outcome(composed: Composed, *, now: datetime) -> tuple[Any, ...]:
    return composed.id, "approved", "auto", composed.action, composed.payload, composed.payload_sha256, now


def _shadow(row: _Row) -> tuple[Any, ...]:
    composed = row.composed
    return composed.id, row.judged.known.shadow_id, composed.shadow_route, composed.shadow_reasons


def _events(rows: Sequence[_Row], *, client: Client, now: datetime) -> list[list[tuple[Any, ...]]]:
    """The events of each decision in their order; the last is the one that upstream is told of."""
    kinds = [_kinds(row.composed) for row in rows]
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('reviews_event_id_seq') FROM generate_series(1, %s)", [sum(map(len, kinds))])
        numbers = iter([number for (number,) in cursor.fetchall()])
    return [
        [
            (next(numbers), kind, now, client.pk, row.workflow.pk, row.composed.id, ticket, body)
            for kind, ticket, body in of_one
        ]
        for row, of_one in zip(rows, kinds, strict=True)
    ]


def _kinds(composed: Composed) -> list[tuple[str, UUID | None, str]]:
    is_gate = composed.ticket_kind == TicketKind.GATE
    written = [("decision.submitted", composed.ticket if is_gate else None, composed.submitted)]
    if composed.opened is not None:
        written.append(("ticket.opened", composed.ticket, composed.opened))
    if composed.settled is not None:
        written.append(("outcome.settled", None, composed.settled))
    return written


def _delivery(composed: Composed, event: int, endpoint: int, *, now: datetime) -> tuple[Any, ...]:
    body = composed.message.replace('"sequence":0', f'"sequence":{event}')
    return new_id(), endpoint, event, composed.id, composed.message_type, body, "waiting", 0, now, now


def _copy(table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    # Table and columns are the constants above.
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
