"""Decisions as upstream reads them, and as the log tells of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from reviews.domain import answer
from reviews.domain.vocabulary import UNFINISHED, DecisionStatus, OutcomeKind, TicketState
from reviews.models import Client, Decision, Outcome, Question, Ticket, Verdict
from reviews.queries.queue import action_titles, name_of

PAGE = 50


# ---- As upstream reads them -----------------------------------------------------------------------------------------


def decision_status(decision: Decision) -> DecisionStatus:
    """Where it stands, derived. At most two queries."""
    gate = _gate_of(decision)  # Before the outcome, as in decision_answers.
    outcome = _outcome_of(decision)
    return answer.status_of(outcome_kind=outcome.kind if outcome else None, gate_state=gate.state if gate else None)


def decision_answer(decision: Decision) -> dict[str, Any]:
    """The JSON of api.md as of now, with the open question where there is one. At most four queries."""
    return decision_answers([decision])[0]


def decision_answers(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """The same of several, in their order: three queries for rows of `decisions_of`, whatever their number.

    Gates are read before outcomes. The other way round, one that settles in between would be seen final without its
    outcome, which exists in no moment.
    """
    gates = {
        gate.decision_id: gate for gate in Ticket.objects.gates().filter(decision__in=decisions).select_related("group")
    }
    outcomes = Outcome.objects.in_bulk([decision.id for decision in decisions])
    waiting = [gate.id for gate in gates.values() if gate.state == TicketState.WAITING]
    questions = (
        {question.ticket_id: question for question in Question.objects.filter(ticket__in=waiting, answered_at=None)}
        if waiting
        else {}
    )
    return [
        _answer_of(
            decision,
            gate=(gate := gates.get(decision.id)),
            outcome=outcomes.get(decision.id),
            question=questions.get(gate.id) if gate else None,
        )
        for decision in decisions
    ]


def _answer_of(
    decision: Decision, *, gate: Ticket | None, outcome: Outcome | None, question: Question | None
) -> dict[str, Any]:
    version = decision.policy_version
    found = answer.decision_answer(
        decision_id=decision.id,
        external_id=decision.external_id,
        status=answer.status_of(
            outcome_kind=outcome.kind if outcome else None, gate_state=gate.state if gate else None
        ),
        route=decision.route,
        reasons=decision.reasons,
        policy_number=version.number if version else None,
        policy_digest=version.digest if version else "",
        ticket=answer.ticket_answer(ticket_id=gate.id, group=gate.group.name, due_at=gate.due_at) if gate else None,
        outcome=answer.outcome_answer(
            kind=outcome.kind,
            method=outcome.method,
            action=outcome.action,
            payload=outcome.payload,
            payload_sha256=outcome.payload_sha256,
            settled_at=outcome.settled_at,
        )
        if outcome
        else None,
    )
    if question:
        found["question"] = {"text": question.text, "asked_at": answer.moment(question.asked_at)}
    return found


def decisions_of(
    client: Client,
    *,
    external_id: str = "",
    workflow: str = "",
    status: str = "",
    action: str = "",
    since: datetime | None = None,
) -> QuerySet[Decision]:
    """A client's decisions, all filters at once, with their policy's version; unordered, for a cursor to page.

    `status` is one of DecisionStatus; `since` is when they were received.
    """
    found = Decision.objects.of_client(client).select_related("policy_version")
    if external_id:
        found = found.filter(external_id=external_id)
    if workflow:
        found = found.of_workflow(workflow)
    if action:
        found = found.filter(action=action)
    if since:
        found = found.filter(received_at__gte=since)
    return with_status(found, status) if status else found


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """Answers, newest first. `next_after` is the place to go on from; None on the last page."""

    answers: tuple[dict[str, Any], ...]
    next_after: UUID | None


def answers_page(decisions: QuerySet[Decision], *, after: UUID | None = None, limit: int = PAGE) -> AnswerPage:
    """A page of some decisions' answers behind the decision `after`. Four queries."""
    if after is not None:
        decisions = decisions.filter(id__lt=after)
    found = list(decisions.order_by("-id")[: limit + 1])
    page = found[:limit]
    return AnswerPage(answers=tuple(decision_answers(page)), next_after=page[-1].id if len(found) > limit else None)


def with_status(decisions: QuerySet[Decision], status: str) -> QuerySet[Decision]:
    """Those that stand so."""
    if status in OutcomeKind.values:
        return decisions.filter(outcome__kind=status)
    gates = Ticket.objects.gates().filter(decision=OuterRef("pk"))
    states = [state for state in UNFINISHED if answer.status_of(outcome_kind=None, gate_state=state) == status]
    return decisions.filter(Exists(gates.filter(state__in=states)))


def _outcome_of(decision: Decision) -> Outcome | None:
    try:
        return decision.outcome
    except Outcome.DoesNotExist:
        return None


def _gate_of(decision: Decision) -> Ticket | None:
    return Ticket.objects.gates().filter(decision=decision).select_related("group").first()


# ---- As the log tells of them ---------------------------------------------------------------------------------------


NO_CONFIDENCE = "none"
# A confidence by tenths, the last with 1.0; and those without one.
BANDS = (*map(str, range(10)), NO_CONFIDENCE)
# So many decisions are looked through for one page: whatever a filter is of, it costs no more than this.
LOOKED_THROUGH = 200_000


@dataclass(frozen=True, slots=True)
class LogFilters:
    """What of the log is shown; empty is anything. They all hold at once."""

    workflow: str = ""  # its key
    action: str = ""
    status: str = ""  # of DecisionStatus
    route: str = ""
    model: str = ""  # its name
    model_version: str = ""
    policy: int | None = None  # the number of the version that judged it; 0 where none did
    band: str = ""  # of BANDS
    least: Decimal | None = None  # confidence at or above
    below: Decimal | None = None  # confidence below
    reviewer: str = ""  # a user's name, who gave a verdict that stands
    verdict: str = ""  # a kind of verdict that stands
    reason: str = ""  # a reason's code
    external_id: str = ""
    subject: str = ""  # its id
    since: datetime | None = None  # received at or after
    until: datetime | None = None  # received before


@dataclass(frozen=True, slots=True)
class LogRow:
    """One decision in the log."""

    decision_id: UUID
    external_id: str
    received_at: datetime
    workflow: str
    workflow_title: str
    action: str
    action_title: str
    subject: str
    amount: Decimal | None
    currency: str
    confidence: Decimal | None
    threshold: Decimal | None
    model: str  # name and version
    policy_number: int | None
    route: str
    status: str
    outcome: str  # its kind; "" while there is none
    method: str
    final_action: str
    decided_by: tuple[str, ...]  # the names of those whose verdicts stand, in order
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class LogPage:
    """PAGE rows at most, newest first. `next_after` is the place to go on from; None on the last page.

    With fewer rows and a place to go on from, LOOKED_THROUGH decisions were looked through and more are behind them.
    """

    rows: tuple[LogRow, ...]
    next_after: UUID | None

    @property
    def goes_on_looking(self) -> bool:
        """Whether the filter may let through more than was found on the way."""
        return self.next_after is not None and len(self.rows) < PAGE


def log_decisions(filters: LogFilters) -> QuerySet[Decision]:
    """Every genuine decision that the filters let through, newest first."""
    exact = {
        "workflow__key": filters.workflow,
        "action": filters.action,
        "route": filters.route,
        "model_name": filters.model,
        "model_version": filters.model_version,
        "external_id": filters.external_id,
        "subject_id": filters.subject,
    }
    found: QuerySet[Decision] = Decision.objects.filter(**{name: value for name, value in exact.items() if value})
    if filters.policy is not None:
        found = found.filter(
            **{"policy_version__number": filters.policy} if filters.policy else {"policy_version": None}
        )
    if filters.band:
        found = found.filter(_in_band(filters.band))
    if filters.least is not None:
        found = found.filter(confidence__gte=filters.least)
    if filters.below is not None:
        found = found.filter(confidence__lt=filters.below)
    if filters.reason:
        found = found.filter(reasons__contains=[{"code": filters.reason}])
    if filters.since:
        found = found.filter(received_at__gte=filters.since)
    if filters.until:
        found = found.filter(received_at__lt=filters.until)
    if filters.reviewer or filters.verdict:
        verdicts = Verdict.objects.standing().filter(ticket__decision=OuterRef("pk"))
        if filters.reviewer:
            verdicts = verdicts.filter(reviewer__username=filters.reviewer)
        if filters.verdict:
            verdicts = verdicts.filter(kind=filters.verdict)
        found = found.filter(Exists(verdicts))
    if filters.status:
        found = with_status(found, filters.status)
    return found.order_by("-id")


def _in_band(band: str) -> Q:
    if band == NO_CONFIDENCE:
        return Q(confidence=None)
    lower = int(band)
    upper = Q() if lower == 9 else Q(confidence__lt=Decimal(lower + 1) / 10)
    return Q(confidence__gte=Decimal(lower) / 10) & upper


def log_page(filters: LogFilters | None = None, *, after: UUID | None = None) -> LogPage:
    """A page of the log behind the decision `after`. Three queries, four with a filter, and no count of the whole."""
    filters = filters or LogFilters()
    rows, next_after = log_stretch(filters, after=after, stop=place_to_stop(filters, after=after), most=PAGE)
    return LogPage(rows=tuple(rows), next_after=next_after)


def log_stretch(
    filters: LogFilters, *, after: UUID | None, stop: UUID | None, most: int
) -> tuple[Sequence[LogRow], UUID | None]:
    """The next rows behind the decision `after`, down to `stop`, `most` at most, and the place to go on from.

    That is None at the end, and `stop` where fewer were found on the way.
    """
    found = log_decisions(filters)
    if after is not None:
        found = found.filter(id__lt=after)
    if stop is not None:
        found = found.filter(id__gte=stop)
    rows = log_rows(found[: most + 1])
    return rows[:most], rows[most - 1].decision_id if len(rows) > most else stop


def place_to_stop(filters: LogFilters, *, after: UUID | None) -> UUID | None:
    """The last of the next LOOKED_THROUGH decisions; None where there are no more. Reads nothing but the key.

    No index is of every filter, and a rare one would read the whole log in one statement. What an index finds at once
    is found however old it is: None for that, too.
    """
    if filters == LogFilters() or filters.external_id or filters.subject:
        return None
    walked = Decision.everything.order_by("-id").values_list("id", flat=True)
    if after is not None:
        walked = walked.filter(id__lt=after)
    return walked[LOOKED_THROUGH - 1 : LOOKED_THROUGH].first()


def log_rows(decisions: QuerySet[Decision]) -> Sequence[LogRow]:
    """The rows of a bounded set of decisions. Three queries."""
    # Gate and outcome in one statement: between two, a gate might settle, and be seen final without its outcome.
    gate_state = Ticket.objects.gates().filter(decision=OuterRef("pk")).values("state")[:1]
    found = list(
        decisions.select_related("workflow", "policy_version", "outcome")
        .defer("payload", "context", "reasoning", "alternatives", "run", "outcome__payload")
        .annotate(gate_state=Subquery(gate_state))
    )
    reviewers: dict[UUID, list[str]] = {}
    for verdict in (
        Verdict.objects.standing()
        .filter(ticket__decision__in=found)
        .order_by("decided_at")
        .select_related("reviewer", "ticket")
        .only("ticket__decision_id", "reviewer__username", "reviewer__first_name", "reviewer__last_name")
    ):
        reviewers.setdefault(verdict.ticket.decision_id, []).append(name_of(verdict.reviewer))
    titles = action_titles({decision.workflow_id for decision in found})
    return [
        _log_row(
            decision,
            gate=vars(decision)["gate_state"],
            decided_by=tuple(reviewers.get(decision.id, ())),
            title=titles.get((decision.workflow_id, decision.action), decision.action),
        )
        for decision in found
    ]


def _log_row(decision: Decision, *, gate: str | None, decided_by: tuple[str, ...], title: str) -> LogRow:
    outcome = _outcome_of(decision)
    return LogRow(
        decision_id=decision.id,
        external_id=decision.external_id,
        received_at=decision.received_at,
        workflow=decision.workflow.key,
        workflow_title=decision.workflow.title,
        action=decision.action,
        action_title=title,
        subject=decision.subject_label or decision.subject_id,
        amount=decision.amount,
        currency=decision.currency,
        confidence=decision.confidence,
        threshold=decision.threshold,
        model=f"{decision.model_name} {decision.model_version}".strip(),
        policy_number=decision.policy_version.number if decision.policy_version else None,
        route=decision.route,
        status=answer.status_of(outcome_kind=outcome.kind if outcome else None, gate_state=gate),
        outcome=outcome.kind if outcome else "",
        method=outcome.method if outcome else "",
        final_action=outcome.action if outcome else "",
        decided_by=decided_by,
        settled_at=outcome.settled_at if outcome else None,
    )
